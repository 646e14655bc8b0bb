"""`python -m splatsim` is the command `splatsim`."""

import sys

from splatsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
