"""``llm-server`` as a process: what it says, whom it answers, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.support.tiny_gguf import chain, word, write_chain, write_random
from tests.support.warm_python import warm_python
from tests.ui.test_app import PATIENCE_S, ROOT, free_port

MODULE = "multi_llm_comparator.server.app"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_chain(folder / "tiny.gguf", chain([word(said) for said in ("\n", "▁one", "▁two")]))
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    own = {"MLC_HOME": str(home), "MLC_MODELS_DIR": str(home / "models"), "MLC_SPARE_PROCESS": "false"}
    return {**os.environ, **own, **more}


@contextmanager
def started(home: Path, *options: str, cold: bool = False, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A server with its imports done, unless it is to be ``cold``: only then is it the process that is returned."""
    command = [sys.executable if cold else warm_python(), "-m", MODULE, *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(home, **more), stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.slow
def test_it_answers_with_the_models_of_this_machine_and_ends_with_all_its_processes(home: Path) -> None:
    port = free_port()
    with started(home, "--port", str(port), "--model", "tiny", "--context", "256", cold=True) as server:
        assert f"http://127.0.0.1:{port}/v1" in said(server)
        body = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0}
        url = f"http://127.0.0.1:{port}"
        answer = httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=PATIENCE_S, trust_env=False).json()
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("tiny", " one two")
        assert httpx2.head(url, timeout=PATIENCE_S, trust_env=False).status_code == 200
        assert httpx2.get(f"{url}/health", headers={"host": "evil.test"}, trust_env=False).status_code == 403
        children = psutil.Process(server.pid).children(recursive=True)
        assert children
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=PATIENCE_S)
        assert not psutil.wait_procs(children, timeout=PATIENCE_S)[1]


def test_a_stream_that_is_being_written_is_written_to_its_end_before_the_server_goes(home: Path) -> None:
    write_random(home / "models" / "gguf" / "long.gguf")
    port = free_port()
    body = {"model": "long", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with started(home, "--port", str(port)) as server, httpx2.Client(timeout=PATIENCE_S, trust_env=False) as client:
        assert said(server)
        with client.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.send_signal(signal.SIGTERM)
            assert [line for line in lines if line][-1] == "data: [DONE]"
        server.wait(timeout=PATIENCE_S)


def test_beyond_loopback_a_key_is_made_and_asked_for(home: Path) -> None:
    port = free_port()
    with started(home, "--host", "0.0.0.0", "--port", str(port)) as server:
        assert f":{port}/v1" in said(server)
        key = said(server).split()[-1]
        url = f"http://127.0.0.1:{port}/v1/models"
        assert httpx2.get(url, trust_env=False).json()["error"]["code"] == "invalid_api_key"
        found = httpx2.get(url, headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE_S, trust_env=False).json()
        assert [model["id"] for model in found["data"] if ":" not in model["id"]] == ["tiny"]


@pytest.mark.parametrize(
    ("options", "variables", "told"),
    [
        (("--context", "1"), {}, "n_ctx"),
        (("--allowed-host", "http://lab"), {}, "allowed host 'http://lab'"),
        (("--host", "0.0.0.0"), {"MLC_ACCESS_TOKEN": "short"}, "access_token must have at least"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_starts(
    home: Path, options: tuple[str, str], variables: dict[str, str], told: str
) -> None:
    done = subprocess.run(
        [warm_python(), "-m", MODULE, *options],
        cwd=ROOT,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr and "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said_so_before_anything_else(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [warm_python(), "-m", MODULE, "--port", port],
            cwd=ROOT,
            env=environment(home),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert "in use" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_help_imports_nothing_heavy_and_serving_no_engine() -> None:
    heavy = "('torch', 'transformers', 'llama_cpp', 'streamlit', 'fastapi', 'uvicorn', 'pydantic')"
    code = f"import sys; import {MODULE}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
    code = code.replace(f"import {MODULE}", f"import {MODULE}, multi_llm_comparator.server.alone").replace(
        ", 'fastapi', 'uvicorn', 'pydantic'", ""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
