"""The gate around the real app: a process, real sockets, and the network behind them watched."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from multi_llm_comparator.server.access import machine_names
from tests.support.tiny_gguf import chain, word, write_chain, write_random
from tests.support.unasked_server import UnaskedServer
from tests.support.warm_launcher import APP
from tests.support.warm_python import warm_python
from tests.ui.test_app import PATIENCE_S, ROOT, free_port, started

pytestmark = pytest.mark.slow

FOREIGN_SOCKETS = 100


@pytest.fixture
def unasked() -> Iterator[UnaskedServer]:
    with UnaskedServer().serving() as server:
        yield server


def through(server: UnaskedServer) -> dict[str, str]:
    """An environment in which whatever asks the internet asks this server."""
    return dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), server.url)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def get(port: int, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())


def opens(port: int, host: str, origin: str, cookie: str = "") -> bool:
    """Whether Streamlit's websocket opens, with the Host header that a browser would send."""
    try:
        with connect(
            f"ws://{host}/_stcore/stream",
            origin=Origin(origin),
            sock=socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S),
            additional_headers={"Cookie": cookie} if cookie else {},
            subprotocols=[Subprotocol("streamlit")],
            proxy=None,
        ):
            return True
    except InvalidStatus as exc:
        assert exc.response.status_code == 403
        return False


def test_foreign_websockets_are_refused_and_nobody_is_asked_for_this_machines_address(
    tmp_path: Path, unasked: UnaskedServer
) -> None:
    port = free_port()
    with started(tmp_path, "--port", str(port), "--no-browser", cold=True, **through(unasked)) as app:
        assert "running at" in first_line(app)
        for number in range(FOREIGN_SOCKETS):
            assert not opens(port, f"127.0.0.1:{port}", f"http://evil{number}.test")
        assert not opens(port, f"evil.test:{port}", f"http://evil.test:{port}")
        assert opens(port, f"127.0.0.1:{port}", f"http://127.0.0.1:{port}")
        assert get(port, "/health")[:2] == (200, "ok")
        for path in ("/", "/health", "/metrics", "/_stcore/health", "/favicon.png", "/assets/plotly.min.js"):
            assert get(port, path, Host="evil.test")[0] == 403
            assert get(port, path, Origin="http://evil.test")[0] == 403
    assert unasked.asked == []


def test_beyond_this_machine_it_starts_with_a_token_in_a_link_and_asks_nobody(
    tmp_path: Path, unasked: UnaskedServer
) -> None:
    port = free_port()
    options = ("--host", "0.0.0.0", "--port", str(port), "--no-browser", "--allowed-host", "lab.example.org")
    with started(tmp_path, *options, cold=False, **through(unasked)) as app:
        link = next(word for word in first_line(app).split() if word.startswith("http://"))
        names = [*machine_names(), "localhost"]
        assert link.startswith(f"http://{f'[{names[0]}]' if ':' in names[0] else names[0]}:{port}/?token=")
        token = link.partition("token=")[2]
        host = f"lab.example.org:{port}"
        assert get(port, "/", Host=host)[0] == get(port, "/metrics", Host=host)[0] == 401
        assert get(port, "/health", Host=host)[:2] == (200, "ok")
        assert get(port, f"/?token={token}", Host="evil.test")[0] == 403
        assert not opens(port, host, f"http://{host}")
        status, _, headers = get(port, f"/?token={token}", Host=host)
        assert (status, headers["location"]) == (303, "/")
        cookie = headers["set-cookie"].partition(";")[0]
        assert get(port, "/", Host=host, Cookie=cookie)[0] == 200
        assert opens(port, host, f"http://{host}", cookie)
    assert unasked.asked == []


def test_a_token_of_ones_own_is_taken_and_not_printed(tmp_path: Path) -> None:
    port, token = free_port(), "my-own-token-of-this-lab"
    with started(tmp_path, "--host", "0.0.0.0", "--port", str(port), "--no-browser", MLC_ACCESS_TOKEN=token) as app:
        line = first_line(app)
        assert "running at" in line and token not in line
        assert get(port, "/metrics", Authorization=f"Bearer {token}")[0] == 200


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (("--host", "0.0.0.0"), {"MLC_ACCESS_TOKEN": "short"}, "access_token must have at least"),
        (("--allowed-host", "http://lab"), {}, "allowed host 'http://lab'"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_paragraph_and_nothing_starts(
    tmp_path: Path, options: tuple[str, ...], variables: dict[str, Any], said: str
) -> None:
    environment = {**os.environ, "MLC_HOME": str(tmp_path), **variables}
    done = subprocess.run(
        [warm_python(APP), "app.py", *options, "--no-browser"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_the_api_is_beside_the_pages_and_takes_none_of_their_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_chain(folder / "tiny.gguf", chain([word(said) for said in ("\n", "▁one", "▁two")]))
    port = free_port()
    with started(tmp_path, "--port", str(port), "--no-browser", MLC_FIRST_MODEL="false") as app:
        assert "running at" in first_line(app)
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
            asked: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
            assert client.chat.completions.create(**asked).choices[0].message.content == " one two"
            chunks = list(client.chat.completions.create(**asked, stream=True))
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == " one two"
        assert '<div id="root">' in get(port, "/models", Accept="text/html")[1]
        assert json.loads(get(port, "/models")[1])["data"][0]["id"] == "tiny"
        assert get(port, "/v1/nowhere")[0] == 404
        assert json.loads(get(port, "/openapi.json")[1])["info"]["title"]


def test_beyond_loopback_the_api_takes_the_token_of_the_pages(tmp_path: Path) -> None:
    port, token = free_port(), "the-token-of-this-test"
    options = ("--host", "0.0.0.0", "--port", str(port), "--no-browser")
    with started(tmp_path, *options, MLC_ACCESS_TOKEN=token) as app:
        assert "running at" in first_line(app)
        status, body, _ = get(port, "/v1/models")
        assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")
        assert get(port, "/v1/models", Authorization=f"Bearer {token}")[0] == 200
        assert get(port, "/v1/models", **{"x-api-key": token})[0] == 200


def test_streams_that_were_begun_are_written_to_their_end_before_the_app_goes(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_random(folder / "long.gguf")
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    body = {"model": "long", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 300, "stream": True}
    with (
        started(tmp_path, "--port", str(port), "--no-browser") as app,
        httpx2.Client(timeout=PATIENCE_S, trust_env=False) as client,
        contextlib.ExitStack() as open_streams,
    ):
        assert str(port) in first_line(app)
        streams = [open_streams.enter_context(client.stream("POST", url, json=body)).iter_lines() for _ in range(3)]
        for lines in streams:
            next(lines)
        app.send_signal(signal.SIGTERM)
        for lines in streams:
            assert [line for line in lines if line][-1] == "data: [DONE]"
        app.wait(timeout=PATIENCE_S)
