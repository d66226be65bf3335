"""For all tests."""

import signal

# A shell's background jobs ignore Ctrl-C, and what they start does, too: then tests that send it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
