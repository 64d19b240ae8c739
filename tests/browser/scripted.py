"""A running app with scripted models (``scripted_app.py``), for tests in a browser."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from multi_llm_comparator.core.models import ModelInfo, ModelType
from tests.support.warm_launcher import APP
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
WORDS = ("amber", "birch", "cedar", "dune", "ember", "fern", "gale", "harbour", "iris", "jade", "kelp", "lark", "moss")
_START = "from tests.browser.scripted_app import main; main()"


@contextmanager
def scripted_app(scripts: Path, home: Path, **variables: str) -> Iterator[str]:
    """Its address, while it runs. It begins with its imports done; an app that does not is that of ``conftest.py``.

    Args:
        scripts: folder of scripts, one model each.
        home: where it keeps what is the user's.
        variables: more of its environment; by itself it imports nothing for PyTorch models ahead of time.
    """
    own = {"MLC_HOME": str(home), "MLC_MODELS_DIR": str(home / "models"), "MLC_SPARE_PROCESS": "false"}
    environment = {**os.environ, **own, **variables}
    # Another test of this process may have imported what keeps model processes offline.
    environment.pop("HF_HUB_OFFLINE", None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [warm_python(APP), "-c", _START, str(scripts), "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert "running at" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.communicate()


def write_endless(folder: Path, names: Sequence[str], *, words: int = 5_000, per_second: float = 25.0) -> list[str]:
    """Models that write on, each in an order of words of its own, for as long as somebody watches; their ids."""
    ids = []
    for name in names:
        path = folder / f"{name}.json"
        text = " ".join(random.Random(name).choices(WORDS, k=words))
        path.write_text(json.dumps({"otherwise": text, "tokens_per_second": per_second}), encoding="utf-8")
        ids.append(ModelInfo("", name, str(path), ModelType.CUSTOM, path.stat().st_size).id)
    return ids
