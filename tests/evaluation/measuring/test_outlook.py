"""What is said before an evaluation starts."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.measuring.outlook import items_asked, outlook_lines
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from tests.evaluation.measuring.making import prompt_set

SUMS = prompt_set(*((f"{n} + {n}", str(2 * n)) for n in range(12)))


def mmlu(folder: Path, items: int, *subjects: str) -> Path:
    """A folder with so many items of each subject, of ``sums`` if none is named."""
    for subject in subjects or ("sums",):
        for split, count in (("dev", 5), ("test", items)):
            path = folder / "mmlu" / "data" / split / f"{subject}_{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([f"{n}?", "1", "2", "3", "4", "A"] for n in range(count))
    return folder


def test_prompts_and_items_of_a_folder_are_counted_and_nothing_of_the_hub_is_fetched(tmp_path: Path) -> None:
    folder = str(mmlu(tmp_path, 300))
    here = TaskChoice(name="mmlu", data=folder, options=TaskOptions(shots=5))
    few = TaskChoice(name="mmlu", data=folder, options=TaskOptions(limit=40))
    assert items_asked(SUMS, [here]) == {"prompts": 12, "mmlu": 300}
    assert items_asked(None, [few]) == {"mmlu": 40}
    hub = [TaskChoice(name=name, options=TaskOptions(limit=20)) for name in ("ceval", "gsm8k")]
    assert items_asked(None, hub) == {"ceval": 1040, "gsm8k": 20}
    assert items_asked(None, [TaskChoice(name="mmlu")]) == {"mmlu": 14_042}
    named = TaskOptions(subjects=("anatomy", "law"), limit=10)
    assert items_asked(None, [TaskChoice(name="mmlu", options=named)]) == {"mmlu": 20}
    bbh = TaskChoice(name="bbh", options=TaskOptions(shots=2, subjects=("snarks",)))
    # Less those that are its examples.
    assert items_asked(
        None,
        [
            TaskChoice(name="bbh"),
        ],
    ) == {"bbh": 6_511 - 27 * 3}
    assert items_asked(None, [bbh]) == {"bbh": 239}
    with pytest.raises(DocumentError, match="none of the folders"):
        items_asked(None, [TaskChoice(name="mmlu", data=str(tmp_path / "gone"))])


def test_each_source_has_a_sentence_and_one_model_alone_none() -> None:
    own, tasks = outlook_lines({"prompts": 12, "mmlu": 2000}, 2, "en")
    assert own.startswith("own prompts: 12 prompts are too few to show any difference")
    assert tasks.startswith("mmlu: 2,000 items show a difference of 2.8 points or more")
    assert "5 points would need about" in tasks
    (alone,) = outlook_lines({"mmlu": 2000}, 2, "zh")
    assert alone.startswith("若有 20% 的回答不同")
    assert outlook_lines({"mmlu": 2000}, 1, "en") == []
    # Each further model is one more pair that must stand the test.
    assert outlook_lines({"mmlu": 2000}, 4, "en")[0] != outlook_lines({"mmlu": 2000}, 2, "en")[0]
