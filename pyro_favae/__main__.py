"""`python -m pyro_favae`."""

import sys

from pyro_favae.cli import main

if __name__ == "__main__":
    sys.exit(main())
