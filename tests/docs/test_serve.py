"""The page about the API: its tables say what the forms do, and its examples run against a server."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.test_app import said, started
from tests.support.warm_python import warm_python
from tests.ui.test_app import ROOT, free_port

PAGE = ROOT / "docs" / "serve.md"
WRITTEN_ON = "127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    parts = PAGE.read_text(encoding="utf-8").split(f"```{language}\n")[1:]
    return [part.partition("```")[0] for part in parts]


def test_the_tables_of_fields_are_up_to_date() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from make_serve_tables import written  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "run: python docs/make_serve_tables.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a demo model; where it listens."""
    home: Path = tmp_path_factory.mktemp("home")
    (home / "models" / "pytorch").mkdir(parents=True)
    (home / "models" / "pytorch" / "demo-small").symlink_to(ROOT / "models" / "pytorch" / "demo-small")
    port = free_port()
    with started(home, "--port", str(port)) as server:
        assert said(server)
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("code", blocks("py"), ids=["openai", "anthropic", "ollama"])
@pytest.mark.slow
def test_a_client_in_python_prints_an_answer(code: str, place: str) -> None:
    code = code.replace(WRITTEN_ON, place)
    done = subprocess.run([warm_python(), "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_gets_what_the_page_says(place: str) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl")]
    assert len(lines) == 4
    for line in lines:
        command = [*shlex.split(line.replace(WRITTEN_ON, place)), "--silent", "--show-error", "--fail"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and "demo-small" in done.stdout, done.stderr
