"""The environment that holds the peers: what we are measured against is no part of what we install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-bench"
# LiteLLM's router, LangGraph's executor, and llama.cpp's own server as a wheel.
PEERS = ("litellm==1.106.2", "langgraph==1.2.24", "xllamacpp==2026.10.11549")


def peer_python() -> Path:
    """The Python that has the peers, installed on first use."""
    python = FOLDER / "bin" / "python"
    installed = FOLDER / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8").split() != list(PEERS):
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([str(python), "-m", "pip", "install", *quiet, *PEERS], check=True)
        installed.write_text("\n".join(PEERS), encoding="utf-8")
    return python
