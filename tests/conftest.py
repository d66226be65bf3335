"""For all tests."""

import signal

import mlsl_mx  # noqa: F401 before any test's MXNet, for it loads CUDA's libraries

# A shell's background jobs ignore Ctrl-C, and what they start does, too: then tests that send it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same of those started with nohup, and of a terminal that is closed.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
