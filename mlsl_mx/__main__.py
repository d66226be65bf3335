"""`python -m mlsl_mx` is the console command `mlsl`."""

import sys

from mlsl_mx.cli import main

if __name__ == "__main__":
    sys.exit(main())
