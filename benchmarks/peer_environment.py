"""The environment that holds the peers: what we are measured against is no part of what we install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-bench"
# LiteLLM's router and proxy, LangGraph's executor, and llama.cpp's own server as a wheel.
PEERS = ("litellm[proxy]==1.106.2", "langgraph==1.2.24", "xllamacpp==2026.10.11549")
# What the servers in llama-cpp-python and transformers need beyond those packages themselves, which are ours.
SERVER_MODULES = ("sse-starlette==3.7.0", "starlette-context==0.5.1")


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


def peer_modules() -> Path:
    """A folder for ``PYTHONPATH`` with which servers of packages of ours run, installed on first use."""
    folder = FOLDER / "modules"
    installed = folder / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8").split() != list(SERVER_MODULES):
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
        command = [str(peer_python()), "-m", "pip", "install", *quiet, "--target", str(folder), *SERVER_MODULES]
        subprocess.run(command, check=True)
        installed.write_text("\n".join(SERVER_MODULES), encoding="utf-8")
    return folder
