from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.training.data import lineage as lineage_module
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.contamination import Contamination, EvaluationIndex, EvaluationText
from multi_llm_comparator.training.data.evaluation_sets import evaluation_texts
from multi_llm_comparator.training.data.grams import GRAM_UNITS, gram_hashes
from multi_llm_comparator.training.data.lineage import (
    Lineage,
    contamination_of,
    lineage_of,
    read_lineage,
    write_lineage,
)
from multi_llm_comparator.training.data.units import units
from tests.support.material import real

PASSAGE = "In a shop there are seven red boxes and each of them has twelve blue marbles in it, which somebody counts"
CHINESE = "下列关于法律推理的表述，能够成立的是哪一项？请选择。"


def chat(question: str, answer: str = "Yes.") -> Chat:
    return Chat((Message("user", question), Message("assistant", answer)), (1,), "line 1", 1)


def both(example: Chat, *texts: EvaluationText) -> list[tuple[int, int]]:
    """Exact and overlapping, found in the data itself and in what is remembered of it."""
    index = EvaluationIndex(texts)
    index.check(example)
    return [
        (r.sets[0].exact, r.sets[0].overlapping)
        for r in (index.result(), contamination_of(lineage_of([example]), texts))
    ]


@pytest.mark.parametrize(
    ("trained", "asked", "found"),
    [
        (PASSAGE, PASSAGE.upper().replace(" ", "  ") + "!", (1, 0)),
        (f"Hello! {PASSAGE}. How many?", f"{PASSAGE}, and then goes home. What is left?", (0, 1)),
        (" ".join(PASSAGE.split()[:12]), PASSAGE, (0, 0)),
        (CHINESE, CHINESE.replace("，", ", "), (1, 0)),
        (f"问题：{CHINESE}答案是", f"{CHINESE}其他", (0, 1)),
        ("What is it?", "What is it?", (0, 0)),
        ("unrelated text", PASSAGE, (0, 0)),
    ],
)
def test_a_question_is_found_exactly_or_by_thirteen_words(trained: str, asked: str, found: tuple[int, int]) -> None:
    assert both(chat(trained), EvaluationText("1", asked, "set")) == [found] * 2
    if found == (0, 1):
        # In an answer too.
        assert both(chat("hi", trained), EvaluationText("1", asked, "set")) == [found] * 2


def test_a_short_question_counts_with_its_choices() -> None:
    text = EvaluationText("1", "Which is true?", "set", "Water boils at a hundred degrees\nIce is warm\nSteam is cold")
    assert both(chat("Which is true?"), text) == [(0, 0)] * 2
    assert both(chat(f"{text.text}\n{text.more}"), text) == [(1, 0)] * 2


def test_how_all_questions_of_a_set_are_worded_does_not_count() -> None:
    texts = [EvaluationText(str(n), f"{PASSAGE}: what is number {n}?", "set") for n in range(20)]
    assert both(chat(f"{PASSAGE}. Hello!"), *texts) == [(0, 0)] * 2


def test_both_sides_are_shown_and_come_back_from_json() -> None:
    index = EvaluationIndex([EvaluationText("7", PASSAGE, "set"), EvaluationText("8", CHINESE, "other")])
    (match,) = index.check(chat(f"{PASSAGE}."))
    assert (match.set, match.id, match.kind, match.where) == ("set", "7", "exact", "line 1")
    result = index.result()
    assert not result.is_clean
    assert [one.share for one in result.sets] == [1.0, 0.0]
    assert Contamination.from_dict(result.to_dict()) == result


def test_what_is_remembered_is_a_small_file(tmp_path: Path) -> None:
    kept = lineage_of([chat(PASSAGE), chat(CHINESE)])
    write_lineage(kept, tmp_path / "grams.npz")
    read = read_lineage(tmp_path / "grams.npz")
    assert (read.grams.tolist(), read.texts.tolist(), read.sampled) == (kept.grams.tolist(), kept.texts.tolist(), 1.0)


def test_of_very_much_a_part_is_remembered_and_passages_are_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage_module, "MAX_KEPT", 400)
    passages = [" ".join(f"w{n}x{i}" for i in range(120)) for n in range(20)]
    kept = lineage_of(chat(passage) for passage in passages)
    assert len(kept.grams) <= 400
    assert kept.sampled < 0.5
    texts = [EvaluationText(str(n), f"{passage} and more", "set") for n, passage in enumerate(passages)]
    found = contamination_of(kept, texts)
    assert found.sets[0].overlapping >= 18
    assert found.sampled == kept.sampled


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "grams.npz"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match="grams"):
        read_lineage(path)
    with pytest.raises(DocumentError, match="cannot read"):
        read_lineage(tmp_path / "missing.npz")
    np.savez(path, version=1, grams=np.array([{"a": 1}], object), texts=np.empty(0), sparse=0)
    with pytest.raises(DocumentError, match="grams"):
        read_lineage(path)
    write_lineage(Lineage(np.empty(0, np.uint64), np.empty(0, np.uint64), 70), path)
    with pytest.raises(DocumentError, match="another version"):
        read_lineage(path)


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.lists(st.sampled_from("abcd"), max_size=40))
def test_equal_runs_have_equal_numbers(one: list[str], other: list[str]) -> None:
    def runs(found: list[str]) -> set[tuple[str, ...]]:
        return {tuple(found[i : i + GRAM_UNITS]) for i in range(len(found) - GRAM_UNITS + 1)}

    shared = set(gram_hashes(one).tolist()) & set(gram_hashes(other).tolist())
    assert len(shared) == len(runs(one) & runs(other))


def test_units_are_words_or_chinese_characters() -> None:
    assert units("Ｈello, World! 你好ab 3.5") == ["hello", "world", "你", "好", "ab", "3", "5"]


def test_evaluation_sets_are_read_as_published(tmp_path: Path) -> None:
    (tmp_path / "mmlu").mkdir()
    (tmp_path / "mmlu" / "maths_test.csv").write_text('"What is\n2 + 2?",3,4,5,6,B\nWhat is 1 + 1?,1,2,3,4,B\n')
    (tmp_path / "mmlu" / "maths_dev.csv").write_text("Not measured?,1,2,3,4,A\n")
    (tmp_path / "ceval.csv").write_text("id,question,A,B,C,D,answer\n0,下列哪项？,一,二,三,四,C\n", encoding="utf-8")
    (tmp_path / "own.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "hi"}]}\n{"problem": "x", "choices": ["a"]}\n'
    )
    found = list(evaluation_texts([tmp_path / name for name in ("mmlu", "ceval.csv", "own.jsonl")]))
    assert [(t.set, t.id, t.text, t.more) for t in found] == [
        ("mmlu", "maths_test.csv row 1", "What is\n2 + 2?", "3\n4\n5\n6"),
        ("mmlu", "maths_test.csv row 2", "What is 1 + 1?", "1\n2\n3\n4"),
        ("ceval.csv", "row 1", "下列哪项？", "一\n二\n三\n四"),
        ("own.jsonl", "line 1", "hi", ""),
        ("own.jsonl", "line 2", "x", "a"),
    ]
    (tmp_path / "none.jsonl").write_text('{"foo": 1}\n')
    with pytest.raises(DocumentError, match="has no questions"):
        list(evaluation_texts([tmp_path / "none.jsonl"]))


@pytest.mark.parametrize("path", real("gsm8k"))
def test_of_gsm8k_three_test_questions_overlap_with_the_training_rows(path: Path) -> None:
    index = EvaluationIndex(evaluation_texts([path / "test.jsonl"]))
    lines = list(evaluation_texts([path / "train_first1500.jsonl"]))
    for text in lines:
        index.check(chat(text.text))
    (found,) = index.result().sets
    assert (found.texts, found.exact, found.overlapping) == (1319, 0, 3)


@pytest.mark.parametrize("path", real("mmlu_ceval"))
def test_published_sets_of_choices_are_read_whole(path: Path) -> None:
    texts = list(evaluation_texts([path / "mmlu", path / "ceval"]))
    assert {text.set for text in texts} == {"mmlu", "ceval"}
    assert len(texts) > 5000
    assert all(text.more for text in texts)
