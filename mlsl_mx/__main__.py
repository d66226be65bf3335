"""The program: the console command `mlsl`, `python -m mlsl_mx`, or `python` and the path of this file.

By its path it starts itself again: `-m` would import from the current folder first.
"""

import os
import sys
import traceback

PATH = os.path.abspath(__file__)
if not __package__:  # by its path: the package is found in the folder around it, and no module in its own
    package, around = os.path.dirname(PATH), os.path.dirname(os.path.dirname(PATH))
    sys.path[:] = [around] * (around not in sys.path) + [folder for folder in sys.path if folder != package]


def main() -> int:
    """Run the command line. Returns: 0.

    A command that fails ends the process with its exit code at once: libraries on their way out may wait for other
    workers, or fail where memory is used up.
    """
    from mlsl_mx.surroundings import prepare

    prepare()
    from mlsl_mx.cli import main as run

    try:
        code = run()
    except SystemExit as ended:  # of argparse, and of `launch`
        code = ended.code
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    if sys.stdout.problem:
        print(f"mlsl: stdout cannot be written ({sys.stdout.problem.strerror}): send it elsewhere", file=sys.stderr)
        code = code or 2
    if code:
        sys.stderr.flush()
        os._exit(code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
