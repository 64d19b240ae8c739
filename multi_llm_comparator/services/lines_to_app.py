"""How a process of ours tells the app what it does: a line of JSON on standard output for each thing.

To be imported by such a process alone: from then on whatever else is printed there goes to standard error.
"""

from __future__ import annotations

import json
import sys
from typing import Any

TELL_EVERY_S = 0.2

# Whatever a library prints must not get between our lines.
_to_app, sys.stdout = sys.stdout, sys.stderr


def tell(kind: str, **content: Any) -> None:
    """One line to the app; a closed pipe ends this process, as it should when the app is gone."""
    _to_app.write(json.dumps({"kind": kind, **content}) + "\n")
    _to_app.flush()
