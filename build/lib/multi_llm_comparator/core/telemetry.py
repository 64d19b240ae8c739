"""Reports of use that libraries would send of their own accord: switched off here, here and in children."""

from __future__ import annotations

import os

# By the library's own name for it. Those of libraries that are not installed cost nothing, and hold once they are.
SWITCHED_OFF = {
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def switch_off_telemetry() -> None:
    """To be called before the libraries are imported; children inherit it."""
    os.environ.update(SWITCHED_OFF)
