from __future__ import annotations

import json
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.dataset import open_dataset
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.ui.tune import sources
from multi_llm_comparator.ui.tune.sources import EXAMPLE_PROMPTS, Source, keep_upload, prompts_for, source_at


@pytest.mark.parametrize("name", EXAMPLE_PROMPTS)
def test_an_example_is_read_whole_and_ends_each_answer_with_its_source(name: str) -> None:
    source = Source("example", name, name)
    rows = list(open_dataset(DataSpec(source=source.location)))
    assert len(rows) >= 40
    for row in rows:
        assert isinstance(row, Chat)
        assert row.answers[0].endswith(".)") and "(Source: " in row.answers[0]


@pytest.mark.parametrize("name", EXAMPLE_PROMPTS)
def test_what_an_example_is_asked_is_not_in_it(name: str) -> None:
    source = Source("example", name, name)
    asked = {json.loads(line)["instruction"] for line in Path(source.location).read_text().splitlines()}
    assert not asked & set(prompts_for(source, ()))


def test_the_readers_own_prompts_come_first() -> None:
    assert prompts_for(Source("example", "sourced_sums", ""), ["mine"]) == ["mine"]
    assert prompts_for(Source("path", "/data.jsonl", ""), ()) == []


def test_what_was_fetched_from_the_hub_is_called_as_it_is_there() -> None:
    fetched = f"/home/me/datasets/org--sums/{'c' * 40}"
    assert source_at(fetched) == Source("hub", fetched, "org/sums")
    for place, name in (("/home/me/datasets/org--sums", "org--sums"), ("/data/sums/v1.jsonl", "v1.jsonl")):
        assert source_at(place) == Source("path", place, name)


def test_an_upload_is_kept_once_under_a_name_that_leads_nowhere_else(tmp_path: Path) -> None:
    first = keep_upload("../../etc/we ird.jsonl", b"{}", tmp_path / "uploads")
    again = keep_upload("../../etc/we ird.jsonl", b"{}", tmp_path / "uploads")
    assert first == again and first.name == "../../etc/we ird.jsonl"
    assert Path(first.value).parent == tmp_path / "uploads"
    assert [p.name for p in (tmp_path / "uploads").iterdir()] == [Path(first.value).name]


def test_a_full_folder_of_uploads_refuses_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_UPLOADS_BYTES", 10)
    keep_upload("a.jsonl", b"12345678", tmp_path)
    with pytest.raises(DocumentError, match="delete files that no job needs"):
        keep_upload("b.jsonl", b"123456789", tmp_path)
