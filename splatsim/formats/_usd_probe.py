"""Reads all Gaussians of a USD file in a process of its own, for usd-core crashes on some damaged ones.

Binary files do it by changed bytes, text by deep nesting, and either by referring to such a file. That process runs
this file; only how it ends is looked at. Nothing of splatsim is imported here, so it starts quickly.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

PATIENCE, BYTES_PER_SECOND = 120.0, 1e6
"""Seconds that reading may take, and what it gets more for the size of the file."""
SPARE_BYTES = 4 << 30
MOST_UNPACKED = 64
"""Bytes of memory for each byte of the file, above the spare ones."""


def fatal_fault(path: Path) -> str | None:
    """What usd-core does on a file that it does not survive; None where it opens or refuses it."""
    patience = PATIENCE + path.stat().st_size / BYTES_PER_SECOND
    try:
        # -P: the modules beside this file are not to be found under their bare names.
        done = subprocess.run(
            [sys.executable, "-P", __file__, str(path)], capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return f"keeps usd-core busy for {patience:.0f} s"
    return f"makes usd-core crash (exit code {done.returncode})" if done.returncode else None


def read_all(path: str) -> None:
    """Get every value of every field of Gaussians."""
    from pxr import Usd

    stage = Usd.Stage.Open(path)
    for prim in Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies()):
        if str(prim.GetTypeName()).startswith("ParticleField"):
            for attribute in prim.GetAttributes():
                for time in attribute.GetTimeSamples() or [Usd.TimeCode.EarliestTime()]:
                    attribute.Get(time)


def limit_memory(path: str) -> None:
    """Let the process end where a damaged file asks for endless memory; there is no such limit on Windows."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        most = SPARE_BYTES + MOST_UNPACKED * os.path.getsize(path)
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


if __name__ == "__main__":
    limit_memory(sys.argv[1])
    # What is only wrong, and not fatal, is told when the stage is opened in earnest.
    with contextlib.suppress(Exception):
        read_all(sys.argv[1])
