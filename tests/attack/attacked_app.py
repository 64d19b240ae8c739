"""The app with an attacker inside, who works in a thread as its pages do.

    python -c "from tests.attack.attacked_app import main; main()" FOLDER SEED SHARE --port 8501

It begins with the first line on standard input, prints each attack's outcome as a line of JSON when it is over, and an
empty line after the last.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import app
from multi_llm_comparator.workbench import get_workbench
from tests.attack.attacks import run_attacks


def main() -> None:
    folder, seed, share = (sys.argv.pop(1) for _ in range(3))

    def attack() -> None:
        sys.stdin.readline()
        for outcome in run_attacks(get_workbench(), Path(folder), int(seed), float(share)):
            print(json.dumps(asdict(outcome)), flush=True)
        print(flush=True)

    threading.Thread(target=attack, daemon=True).start()
    app.main()
