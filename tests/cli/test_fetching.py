"""``hub``: models found and fetched from a Hub on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_server import HubServer, serving
from tests.support.model_files import gguf_bytes
from tests.support.typed_command import typed


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    server = HubServer({"org/tiny-GGUF": {"tiny-Q8_0.gguf": gguf_bytes(), "tiny-Q4_0.gguf": gguf_bytes()}})
    with serving(server):
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.mark.slow
def test_a_model_is_listed_chosen_and_fetched_once(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def told(*words: str) -> tuple[int, Any, str]:
        code, out, err = typed(monkeypatch, capfd, tmp_path, "hub", *words, "--json")
        return code, json.loads(out) if out else None, err

    code, listed, err = told("list", "org/tiny-GGUF")
    assert code == 0, err
    assert len(listed["choices"]) == 2 and {one["fit"] for one in listed["choices"]} == {"fits"}
    code, _, err = told("get", "org/tiny-GGUF")
    assert code == 2 and "which one" in err
    code, fetched, err = told("get", "org/tiny-GGUF", "q8_0")
    assert code == 0, err
    assert Path(fetched["path"]).read_bytes() == gguf_bytes()
    assert list((tmp_path / "models" / ".downloads").iterdir()) == []
    code, _, err = told("get", "org/tiny-GGUF", "q8_0")
    assert code == 1 and "is there already" in err


def test_the_starter_list_says_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = typed(monkeypatch, capfd, tmp_path, "hub", "starters", "--json")
    rows = json.loads(out)
    assert code == 0 and len(rows) > 5
    assert [row["size_bytes"] for row in rows] == sorted(row["size_bytes"] for row in rows)
    assert {row["fit"] for row in rows} <= {"fits", "tight", "too_large", "no_disk"}
