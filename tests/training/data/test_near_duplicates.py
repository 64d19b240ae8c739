from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.training.data.near_duplicates import Alike, NearDuplicates
from multi_llm_comparator.training.data.spec import SplitSpec
from multi_llm_comparator.training.data.split import validation_lines

WORDS = [f"word{number}" for number in range(2_000)]


def alike(folder: Path, texts: list[str], threshold: float = 0.85, same: list[int] | None = None) -> Alike:
    near = NearDuplicates(folder / "signatures", threshold)
    for text in texts:
        near.add(text)
    found = near.alike([np.array(same, np.uint64)] if same else ())
    near.close()
    return found


def test_texts_with_a_word_changed_are_alike_and_others_are_not(tmp_path: Path) -> None:
    chance = random.Random(1)
    texts = [" ".join(chance.choices(WORDS, k=80)) for _ in range(200)]
    changed = []
    for text in texts[:50]:
        words = text.split()
        words[chance.randrange(80)] = "another"
        changed.append(" ".join(words).upper())
    found = alike(tmp_path, texts + changed)
    assert found.first[:200].tolist() == [-1] * 200
    # Recall is 98% at the threshold, and these are above it.
    assert sum(found.first[200 + n] == n for n in range(50)) >= 48
    assert all(found.groups[200 + n] == n for n in range(50) if found.first[200 + n] == n)


def test_short_sums_and_chinese_sentences_differ_by_one_word(tmp_path: Path) -> None:
    texts = [
        "What is 2 + 3?\n5",
        "What is 2 + 4?\n6",
        "今天天气很好，我们去公园散步吧",
        "明天天气不好，我们在家里看书吧",
    ]
    assert alike(tmp_path, texts).first.tolist() == [-1] * 4


def test_many_copies_take_linear_work_and_repeat_the_first(tmp_path: Path) -> None:
    found = alike(tmp_path, ["the same long sentence of some words"] * 300)
    assert found.first.tolist() == [-1] + [0] * 299


def test_what_is_told_to_belong_together_is_one_group(tmp_path: Path) -> None:
    found = alike(tmp_path, ["one two three four", "five six seven eight", "nine ten eleven twelve"], same=[7, 8, 7])
    assert found.groups.tolist() == [0, 1, 0]
    assert found.first.tolist() == [-1] * 3


@given(st.lists(st.text("ab ", max_size=12), max_size=30), st.sampled_from([0.5, 0.85, 1.0]))
def test_what_is_repeated_stays_itself(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], threshold: float
) -> None:
    found = alike(tmp_path_factory.mktemp("near"), texts, threshold)
    for number, first in enumerate(found.first.tolist()):
        assert first < number
        if first >= 0:
            assert found.first[first] == -1
            assert found.groups[first] == found.groups[number]


GROUPS = st.lists(st.integers(0, 12), max_size=60)


@given(GROUPS, st.floats(0, 0.5), st.integers(0, 5), st.integers(1, 20))
def test_a_split_keeps_groups_whole_and_something_to_learn(
    groups: list[int], share: float, seed: int, most: int
) -> None:
    spec = SplitSpec(share=share, seed=seed, max_rows=most)
    aside = validation_lines(groups, spec)
    assert {groups[n] for n in aside}.isdisjoint(groups[n] for n in range(len(groups)) if n not in aside)
    assert len(aside) <= min(most, max(1, round(share * len(groups))))
    assert len(aside) < len(groups) or not groups
    assert aside == validation_lines(groups, spec)


def test_a_share_is_what_was_asked_for_and_the_seed_chooses() -> None:
    groups = list(range(1000))
    first, second = (validation_lines(groups, SplitSpec(share=0.1, seed=seed)) for seed in (0, 1))
    assert len(first) == len(second) == 100
    assert first != second
    assert validation_lines(groups, SplitSpec(share=0.0)) == frozenset()
