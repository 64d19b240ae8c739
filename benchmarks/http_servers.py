"""Servers of one local model, started for a measurement: ours and its peers. Each is a context manager."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.peer_environment import ROOT, peer_modules, peer_python
from benchmarks.served import LlamaServer

READY_S = 180.0
END_S = 30.0
# Model processes of the workbench run with this niceness: all contestants give way to the same others.
NICENESS = 5
# LiteLLM's proxy does not start without one.
PROXY_KEY = "sk-benchmark"


@contextlib.contextmanager
def workbench(models: Path, **settings: str) -> Iterator[str]:
    """``llm-server`` as it comes, over a folder of models, with a home of its own; yields its address."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"MLC_HOME": home, "MLC_MODELS_DIR": str(models), "MLC_FIRST_MODEL": "false"}
        environment |= {f"MLC_{name.upper()}": value for name, value in settings.items()}
        port = _free_port()
        command = [sys.executable, "-m", "multi_llm_comparator.server.app", "--port", str(port), "--context", "1024"]
        with _running(command, port, "/v1/models", environment, niceness=0) as address:
            yield address


@contextlib.contextmanager
def llama_server(model: Path, slots: int, threads: int) -> Iterator[str]:
    """llama.cpp's own server, with as many slots as there will be clients."""
    with LlamaServer(model, slots=slots, threads=threads) as server:
        yield f"{server.address}/v1"


@contextlib.contextmanager
def llama_cpp_server(model: Path, threads: int) -> Iterator[str]:
    """llama-cpp-python's server; without its usual way of cutting an answer off when the next is asked for."""
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "benchmarks.llama_cpp_server",
        "--model",
        str(model),
        "--port",
        str(port),
        "--n_ctx",
        "1024",
    ]
    command += ["--n_threads", str(threads), "--n_threads_batch", str(threads), "--interrupt_requests", "False"]
    with _running(command, port, "/v1/models", {"PYTHONPATH": f"{peer_modules()}:{ROOT}"}) as address:
        yield address


@contextlib.contextmanager
def transformers_server(checkpoint: Path, threads: int) -> Iterator[str]:
    """``transformers serve`` with continuous batching on the CPU."""
    port = _free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(checkpoint), "--port", str(port)]
    command += ["--continuous-batching", "--device", "cpu", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "1024"]
    environment = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "PYTHONPATH": f"{peer_modules()}"}
    with _running(command, port, "/v1/models", environment) as address:
        yield address


@contextlib.contextmanager
def litellm_proxy(endpoint: str) -> Iterator[str]:
    """LiteLLM's proxy with two deployments of the model ``g`` that are both this endpoint."""
    deployments = [
        {"model_name": "g", "litellm_params": {"model": "openai/m", "api_base": endpoint, "api_key": "none"}}
        for _ in range(2)
    ]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps({"model_list": deployments}), encoding="utf-8")
        port = _free_port()
        command = [str(peer_python().with_name("litellm")), "--config", str(config), "--port", str(port)]
        # Left alone, it asks the internet for prices at each start, and waits for the answer.
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": PROXY_KEY}
        with _running(command, port, "/health/liveliness", environment, niceness=0) as address:
            yield f"{address}"


@contextlib.contextmanager
def _running(
    command: Sequence[str], port: int, ready: str, environment: Mapping[str, str], *, niceness: int = NICENESS
) -> Iterator[str]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            ["nice", "-n", str(niceness), *command],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            if not _answers(process, address + ready):
                said.seek(0)
                words = said.read().decode(errors="replace")[-800:]
                raise SystemExit(f"{command[2]} did not start: {words}")
            yield f"{address}/v1"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return True
        time.sleep(0.2)
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])
