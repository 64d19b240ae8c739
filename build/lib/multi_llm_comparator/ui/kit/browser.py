"""Opens the page in the browser of whoever started the workbench."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Mapping

logger = logging.getLogger(__name__)


def has_viewer(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether somebody would see a browser that opens here: there is a screen, and no machine that only runs tests."""
    if environment.get("CI"):
        return False
    return platform in ("win32", "darwin") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_in_browser(address: str) -> None:
    """Open a page and return at once; where that fails, the address that was printed is still there."""
    # A process of its own, for browsers block, write to the terminal, and would end by Ctrl+C together with the app.
    command = [sys.executable, "-m", "webbrowser", address]
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as exc:
        logger.info("no browser was opened: %s", exc)
