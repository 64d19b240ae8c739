"""MLflow's own pages, served by a process that begins when somebody wants to look, and ends with the app.

The full package wants older versions of libraries than this one does. Where it is installed all the same it is taken;
else ``uvx`` (of uv) or ``pipx`` fetch it into an environment of its own, once.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.metadata
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.services.child_process import child_environment

LOG_FILE = "mlflow-ui.log"
WITH_PARENT = "multi_llm_comparator.services.with_parent"
# What MLflow keeps its runs in where they are on this machine; an address of a server has pages of its own.
_LOCAL = ("sqlite:///", "file:", "/")
MAX_SAID_CHARS, MAX_TAIL_BYTES, MAX_LOG_BYTES = 300, 16 * 1024, 16 * 2**20
STOP_S = 5.0

State = Literal["stopped", "starting", "running", "failed"]


def ui_command(uri: str, port: int) -> list[str]:
    """The command that serves MLflow's pages over ``uri`` on this machine alone.

    Raises:
        ConfigurationError: nothing here can start them.
    """
    served = ["ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("mlflow")
        return [sys.executable, "-m", "mlflow", *served]
    # Beside the interpreter is where pip puts it, also of an environment that nobody activated.
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))
    for runner, words in (("uvx", ()), ("pipx", ("run",))):
        if (found := shutil.which(runner, path=places)) is not None:
            return [found, *words, "mlflow", *served]
    raise ConfigurationError(
        "MLflow's pages need uv or pipx, which fetch them into an environment of their own: pip install '.[mlflow]'"
    )


class MlflowPages:
    """The pages over one tracking URI. ``address`` is where they are, or come to be; empty before they are started."""

    def __init__(self, uri: str, folder: Path) -> None:
        """What is printed goes to a file in ``folder``."""
        self._uri, self._log = uri, folder / LOG_FILE
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.address = "" if uri.startswith(_LOCAL) else uri

    @property
    def state(self) -> State:
        if self._process is None:
            return "running" if self.address else "stopped"
        if self._process.poll() is not None:
            return "failed"
        self._bound_log()
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return "running" if probe.connect_ex(("127.0.0.1", self._port)) == 0 else "starting"

    def _bound_log(self) -> None:
        """It is written at its end, wherever that is: what is cut off leaves no hole."""
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > MAX_LOG_BYTES:
                os.truncate(self._log, 0)

    @property
    def problem(self) -> str:
        """The last that a process which ended has printed."""
        with contextlib.suppress(OSError):
            with open_regular(self._log) as printed:
                # It may have printed for days.
                printed.seek(max(0, printed.seek(0, os.SEEK_END) - MAX_TAIL_BYTES))
                lines = printed.read(MAX_TAIL_BYTES).decode("utf-8", "replace").split("\n")
            return next((line.strip()[:MAX_SAID_CHARS] for line in reversed(lines) if line.strip()), "")
        return ""

    def start(self) -> None:
        """Start them, unless they are there; they take some seconds, and a minute where they are fetched first.

        Raises:
            ConfigurationError: nothing here can start them.
        """
        if self.state in ("starting", "running"):
            return
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        command = ui_command(self._uri, self._port)
        try:
            self._log.write_bytes(b"")
            with self._log.open("ab") as printed:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", WITH_PARENT, str(os.getpid()), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    env=child_environment(goes_online=True),
                    start_new_session=True,
                )
        except OSError as exc:
            raise ConfigurationError(f"{command[0]!r} cannot be started: {exc.strerror or exc}") from exc
        self.address = f"http://127.0.0.1:{self._port}"
        atexit.register(self.stop)

    def stop(self) -> None:
        """End them, with all that they started."""
        if self._process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    os.killpg(self._process.pid, number)
                    self._process.wait(STOP_S)
                    break
            self._process, self.address = None, ""
            atexit.unregister(self.stop)
