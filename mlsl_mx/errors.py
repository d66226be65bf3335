"""The one exception that means: the user's input, not our program, is at fault."""


class InputError(Exception):
    """Bad input in one line that names the file or key, the value, the limit and the remedy.

    The command line prints it without a traceback and exits with code 2; any other exception is a bug of ours.
    """
