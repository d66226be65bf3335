"""The program: the console command `mlsl`, `python -m mlsl_mx`, or `python` and the path of this file.

When the program starts itself again, it does so by this path: `-m` would import from the current folder first.
"""

import os
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location

PACKAGE = os.path.dirname(os.path.abspath(__file__))
if not __package__:  # by its path: the package is the one around this file, wherever others of its name are
    sys.path[:] = [*(folder for folder in sys.path if folder != PACKAGE), os.path.dirname(PACKAGE)]
    found = spec_from_file_location("mlsl_mx", os.path.join(PACKAGE, "__init__.py"))
    sys.modules["mlsl_mx"] = module_from_spec(found)
    found.loader.exec_module(sys.modules["mlsl_mx"])


def main() -> int:
    """Run the command line. Returns: 0.

    A command that fails ends the process with its exit code at once: libraries on their way out may wait for other
    workers, or fail where memory is used up.
    """
    try:
        from mlsl_mx.system.surroundings import prepare

        prepare()
        from mlsl_mx.cli import main as run

        code = run()
    except KeyboardInterrupt:  # while it imports: a command of its own is stopped by `stops_at_once`
        os._exit(130)
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
