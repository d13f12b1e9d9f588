"""`python -m streamproc`."""

import sys

from streamproc.cli.main import main

if __name__ == "__main__":  # spawned worker processes import this module again
    sys.exit(main())
