"""Named points at which a test can kill, fail or delay the program; inert otherwise."""

from __future__ import annotations

import os
import signal
import time

VARIABLE = "PXL_FAULT"


def fault_point(name: str) -> None:
    """Do what `PXL_FAULT=NAME=kill|raise|sleep:SECONDS` asks for at the point `name`.

    Raises:
        OSError: the variable asks for `raise`.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    point, _, action = wanted.partition("=")
    if point != name:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "raise":
        raise OSError(f"fault at {name}")
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
