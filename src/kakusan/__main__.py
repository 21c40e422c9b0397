"""`python -m kakusan` is the command `kakusan`."""

import sys

from kakusan.cli import main

if __name__ == "__main__":
    sys.exit(main())
