"""Lets `python -m fer_edge` do what the `fer-edge` command does."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
