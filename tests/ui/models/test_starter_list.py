"""The starter list: what it says of a model, and whether it fits."""

from __future__ import annotations

import pytest

from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.services.fitting import fit_of
from multi_llm_comparator.services.hub_files import HubChoice, HubListing, RemoteFile, repository_id
from multi_llm_comparator.services.starters import starters
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import html_of, opened, press

GB = 10**9


def test_there_are_a_dozen_with_names_that_the_hub_takes_and_words_in_all_languages() -> None:
    assert len(starters()) == 12
    for starter in starters():
        assert repository_id(starter.repo_id) == starter.repo_id
        assert starter.licence and starter.parameters > 10**8
        for language in i18n.LANGUAGES:
            assert i18n.translate(language, f"starter.{starter.good_for}")


@pytest.mark.parametrize(
    ("needed", "free", "disk", "fit"),
    [
        (1 * GB, 9 * GB, 99 * GB, "fits"),
        (8 * GB, 9 * GB, 99 * GB, "tight"),
        (3 * GB, 2 * GB, 99 * GB, "tight"),
        (11 * GB, 9 * GB, 99 * GB, "too_large"),
        (1 * GB, 9 * GB, 1 * GB // 4, "no_disk"),
    ],
)
def test_whether_it_fits_is_told_from_memory_and_disk(needed: int, free: int, disk: int, fit: str) -> None:
    starter = starters()[0]
    found = fit_of(starter.size_bytes, needed, limit_bytes=10 * GB, free_bytes=free, free_disk_bytes=disk)
    assert found == fit


def listing(*choices: HubChoice) -> HubListing:
    return HubListing("owner/name", "c" * 40, choices)


def test_the_file_that_is_named_is_the_one_that_is_fetched() -> None:
    starter = next(s for s in starters() if s.file)
    wanted = HubChoice("b", ModelType.GGUF, (RemoteFile(starter.file, 1),))
    other = HubChoice("a", ModelType.GGUF, (RemoteFile("other.gguf", 1),))
    assert starter.choice_in(listing(other, wanted)) is wanted
    with pytest.raises(DownloadError, match="any more"):
        starter.choice_in(listing(other))


def test_a_checkpoint_is_fetched_as_safetensors_only() -> None:
    starter = next(s for s in starters() if not s.file)
    pickled = HubChoice("a", ModelType.PYTORCH, (RemoteFile("pytorch_model.bin", 1),), is_pickle=True)
    safe = HubChoice("a", ModelType.PYTORCH, (RemoteFile("model.safetensors", 1),))
    assert starter.choice_in(listing(pickled, safe)) is safe


def test_the_page_shows_it_when_it_is_opened_and_says_when_the_hub_is_out_of_reach(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.hub, "endpoint", "http://127.0.0.1:9")
    page = opened("models")
    assert starters()[0].repo_id not in html_of(page)
    page.session_state["models_starters"] = True
    page.run()
    assert not page.exception
    assert starters()[0].repo_id in html_of(page)
    assert i18n.translate("en", "starter.fit_fits") in html_of(page)
    press(page, "models_starter_get_0")
    assert [toast.value for toast in page.toast]
