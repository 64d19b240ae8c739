"""A program of others that must not outlive the app, however the app ends.

    python -m multi_llm_comparator.services.with_parent PARENT COMMAND [ARGUMENT ...]

Started as the leader of a session, it starts the command, and ends the session, with all that the command started, when
the process of the number ``PARENT`` is gone. It ends as the command does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

LOOK_EVERY_S = 1.0


def main() -> None:
    parent, *command = sys.argv[1:]
    # Who is told to end are all of the session: this process is there until the command is not.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    child = subprocess.Popen(command, env=dict(os.environ))
    while True:
        try:
            sys.exit(child.wait(LOOK_EVERY_S))
        except subprocess.TimeoutExpired:
            # Whoever loses its parent is given another one.
            if os.getppid() != int(parent):
                os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
