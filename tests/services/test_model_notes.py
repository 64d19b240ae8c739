"""Notes on models are kept, moved with a renamed model, and bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.services.model_notes import MAX_NOTE_CHARS, ModelNote, ModelNotes


@pytest.fixture
def notes(tmp_path: Path) -> ModelNotes:
    return ModelNotes(tmp_path / "model_notes.json")


def test_a_note_is_found_again_and_an_empty_one_forgets_it(notes: ModelNotes) -> None:
    notes.keep("a", " good at rhymes ", ["poems", "poems", " "])
    assert notes.of("a") == ModelNote("good at rhymes", ("poems",))
    notes.move("a", "b")
    assert notes.of("a").is_empty and notes.of("b").tags == ("poems",)
    notes.forget("b")
    assert notes.all() == {}


def test_too_much_is_refused_and_nothing_is_lost(notes: ModelNotes) -> None:
    notes.keep("a", "short", [])
    for note, tags in (("x" * (MAX_NOTE_CHARS + 1), []), ("", ["t" * 41]), ("", [str(n) for n in range(21)])):
        with pytest.raises(ConfigurationError, match="at most"):
            notes.keep("a", note, tags)
    assert notes.of("a").note == "short"


def test_a_damaged_file_is_named(notes: ModelNotes, tmp_path: Path) -> None:
    (tmp_path / "model_notes.json").write_text("[1, 2")
    with pytest.raises(ConfigurationError, match="model_notes"):
        notes.all()
