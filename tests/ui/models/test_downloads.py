"""Searching the Hub from the page: words find repositories, each says what it offers, what it takes arrives here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.services.hub import DownloadProgress
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.models.downloads import progress_words
from multi_llm_comparator.workbench import Workbench
from tests.support.hub_server import HubServer, serving
from tests.support.model_files import gguf_bytes
from tests.ui.test_pages import PATIENCE_S, html_of, opened, press


@pytest.fixture
def hub(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    files = {"tiny-Q8_0.gguf": gguf_bytes(), "README.md": b"# Tiny"}
    with serving(HubServer({"org/tiny-GGUF": files, "org/other": {"README.md": b""}})) as server:
        monkeypatch.setattr(bench.hub, "endpoint", server.url)
        yield server


def searched(words: str) -> AppTest:
    page = opened("models")
    page.session_state["models_download"] = True
    page.run()
    page.text_input(key="models_hub_name").input(words)
    press(page, "models_hub_look_up")
    return page


def ended(bench: Workbench) -> DownloadProgress:
    """The one download, once it is over."""
    (download,) = bench.hub.jobs
    until = time.monotonic() + PATIENCE_S
    while not download.progress.is_over:
        assert time.monotonic() < until, download.progress
        time.sleep(0.05)
    return download.progress


def test_words_find_a_quantization_that_says_whether_it_fits_and_is_fetched(bench: Workbench, hub: HubServer) -> None:
    page = searched("tiny gguf")
    found = html_of(page)
    assert "org/tiny-GGUF" in found and "apache-2.0" in found and "org/other" not in found
    page.button(key="models_hub_hit_0").click().run()
    choice = next(one for one in page.selectbox if (one.key or "").startswith("models_hub_choice_"))
    assert choice.options[0].startswith("tiny-Q8_0")
    assert choice.options[0].endswith(i18n.translate("en", "starter.fit_fits"))
    press(page, "models_hub_start")
    progress = ended(bench)
    assert progress.state == "done", progress.error
    assert [model.name for model in bench.models.scan_models()] == ["tiny-Q8_0"]


def test_a_download_that_fails_says_why(bench: Workbench, hub: HubServer) -> None:
    hub.damaged.add("tiny-Q8_0.gguf")
    page = searched("tiny gguf")
    press(page, "models_hub_hit_0")
    press(page, "models_hub_start")
    progress = ended(bench)
    page.run()
    assert not page.exception
    assert [plain(str(progress.error))] == [error.value for error in page.error]


def test_a_download_that_has_just_begun_says_nothing_of_its_speed() -> None:
    begun = DownloadProgress(state="running", total_bytes=42_000_000)
    assert progress_words(begun) == "0 B of 42.0 MB"
    assert progress_words(replace(begun, bytes_per_second=7e6)) == "0 B of 42.0 MB · 7.0 MB/s · 6.0 s left"


def test_words_that_find_nothing_say_so(hub: HubServer) -> None:
    page = searched("nothing of this name")
    assert i18n.translate("en", "download.no_hits") in [caption.value for caption in page.caption]
