"""What all tests need."""

import signal

# A shell that starts us in the background makes us deaf to Ctrl-C, and whatever we start as
# well; tests that interrupt something would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
