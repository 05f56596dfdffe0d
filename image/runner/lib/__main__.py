"""What `python3 /opt/pxl/lib PROGRAM [ARGS…]` runs."""

import sys

from pxl_run.main import main

sys.exit(main(sys.argv[1:]))
