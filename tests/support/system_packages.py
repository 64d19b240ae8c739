"""What the tests drive beyond Python: a browser, a Redis and a Postgres.

``python -m tests.support.system_packages`` finds each, installs what is missing where it may (root on Debian or
Ubuntu), and otherwise fails naming the command to run: nothing is skipped in silence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# Debian's package for each; the CJK font is what makes Chinese pages show characters rather than boxes.
PACKAGES = {"chromium": "chromium", "font": "fonts-noto-cjk", "redis": "redis-server", "postgres": "postgresql"}


def find_chromium() -> Path | None:
    """The system's Chromium, or the one that Playwright brought."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Path(found)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def find_redis() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


def find_postgres() -> Path | None:
    """The folder with initdb and pg_ctl; Debian keeps it out of PATH."""
    folders = [Path(found).parent] if (found := shutil.which("initdb")) else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def find_font() -> Path | None:
    """Any font with Chinese characters; only Linux needs to be asked."""
    if sys.platform != "linux" or not shutil.which("fc-list"):
        return Path("/")
    listed = subprocess.run(["fc-list", ":lang=zh", "file"], capture_output=True, text=True, check=False).stdout
    return Path(listed.split(":")[0]) if listed.strip() else None


FINDERS: dict[str, Callable[[], Path | None]] = {
    "chromium": find_chromium,
    "font": find_font,
    "redis": find_redis,
    "postgres": find_postgres,
}


def missing() -> list[str]:
    return [name for name, find in FINDERS.items() if find() is None]


def install(names: list[str]) -> None:
    """Install with apt where we may; a browser alone can also come from Playwright."""
    packages = [PACKAGES[name] for name in names]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(command, env=environment, check=False)
    elif "chromium" in names:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> int:
    names = missing()
    if names:
        print(f"missing for the tests: {', '.join(names)}; installing")
        install(names)
        names = missing()
    if names:
        packages = " ".join(PACKAGES[name] for name in names)
        print(f"The tests need {', '.join(names)}. Install with:\n    sudo apt-get install {packages}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
