"""The errors a user meets. Every message says what was wrong, with which value, where, and what would be right."""


class SplatsimError(Exception):
    """Base of all errors that splatsim raises on purpose."""


class FormatError(SplatsimError, ValueError):
    """A file is not what its name or header claims."""


class BackendUnavailable(SplatsimError, ImportError):
    """A rendering back end was asked for by name and cannot run on this machine."""


class ResourceError(SplatsimError, MemoryError):
    """The request is well formed but would need more memory than the stated limit."""


class ReconstructionError(SplatsimError):
    """The footage cannot be turned into a scene; the message names the cause and what to do."""


class MapError(SplatsimError, ValueError):
    """A map cannot be made, or would be empty; the message says why."""


class EpisodeError(SplatsimError, ValueError):
    """An episode or a trajectory is not what it should be, or a suite cannot be played."""
