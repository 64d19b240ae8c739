"""Tasks from the Hub, as its own library reads them: from folders in the Hub's form, so that nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.evaluation.tasks.catalogue import load_tasks
from multi_llm_comparator.evaluation.tasks.sources import HUB

CHOICES = ["1", "2", "3", "4"]


def published(root: Path, name: str, subsets: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    """A data set as the Hub has it: a card that names subsets, splits and their files."""
    folder, card = root / name, ["---", "configs:"]
    for subset, splits in subsets.items():
        card += [f"- config_name: {subset}", "  data_files:"]
        for split, rows in splits.items():
            path = folder / subset / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
            card += [f"  - split: {split}", f"    path: {subset}/{split}.jsonl"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]), encoding="utf-8")


def mmlu_rows(subject: str, n: int) -> list[dict[str, Any]]:
    return [{"question": f"{subject} {i}?", "subject": subject, "choices": CHOICES, "answer": i % 4} for i in range(n)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    # The library takes a name for a folder where there is one of this name.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    anatomy, law = ({"dev": mmlu_rows(one, 5), "test": mmlu_rows(one, 3)} for one in ("anatomy", "law"))
    both = {split: [*anatomy[split], *law[split]] for split in ("dev", "test")}
    published(tmp_path, "cais/mmlu", {"anatomy": anatomy, "law": law, "all": both})
    rows = [{"id": n, "question": f"{n}？", **dict(zip("ABCD", CHOICES, strict=True)), "answer": "B"} for n in range(5)]
    published(tmp_path, "ceval/ceval-exam", {"law": {"dev": rows, "val": rows[:2]}})
    sums = [{"question": f"{n} + 1?", "answer": f"It is so.\n#### {n + 1}"} for n in range(6)]
    published(tmp_path, "openai/gsm8k", {"main": {"train": sums, "test": sums[:3]}})
    lies = [{"input": f"Person {n} lies. Is it so?", "target": "Yes" if n % 2 else "No"} for n in range(5)]
    puns = [{"input": f"Which is it, {n}?", "target": "(A)"} for n in range(4)]
    published(tmp_path, "SaylorTwift/bbh", {"web_of_lies": {"test": lies}, "snarks": {"test": puns}})
    return tmp_path


@pytest.mark.slow
def test_tasks_of_the_hub_are_those_of_the_folders(hub: Path) -> None:
    anatomy, law = load_tasks("mmlu", HUB, TaskOptions(shots=1))
    assert (anatomy.name, law.name, len(law.items), law.items[2].target) == ("mmlu_anatomy", "mmlu_law", 3, 2)
    assert str(law.items[0].prompt) == (
        "The following are multiple choice questions (with answers) about law.\n\n"
        "law 0?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer: A\n\nlaw 0?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"
    )
    (ceval,) = load_tasks("ceval", HUB, TaskOptions(shots=5, subjects=("law",)))
    assert (ceval.name, len(ceval.items), ceval.items[0].target) == ("ceval-valid_law", 2, 1)
    (gsm8k,) = load_tasks("gsm8k", HUB, TaskOptions(shots=2, limit=2))
    assert [item.target for item in gsm8k.items] == ["It is so.\n#### 1", "It is so.\n#### 2"]
    assert gsm8k.score(gsm8k.items[0], "So #### 1").correct


@pytest.mark.slow
def test_big_bench_hard_of_the_hub_takes_its_examples_from_its_first_questions(hub: Path) -> None:
    snarks, lies = load_tasks("bbh", HUB, TaskOptions(subjects=("web_of_lies", "snarks")))
    assert (snarks.name, len(snarks.items), snarks.items[0].target) == ("bbh_direct_snarks", 1, "(A)")
    assert (lies.name, lies.version, [item.id for item in lies.items]) == (
        "bbh_direct_web_of_lies",
        "1",
        ["web_of_lies/3", "web_of_lies/4"],
    )
    assert lies.items[0].prompt == (
        "Evaluate a random boolean function expressed as a word problem.\n\n"
        "Q: Person 0 lies. Is it so?\nA: No\n\nQ: Person 1 lies. Is it so?\nA: Yes\n\n"
        "Q: Person 2 lies. Is it so?\nA: No\n\nQ: Person 3 lies. Is it so?\nA:"
    )
    assert lies.score(lies.items[0], " Yes.").correct and not lies.score(lies.items[1], " Yes.").correct
    (few,) = load_tasks("bbh", HUB, TaskOptions(subjects=("web_of_lies",), shots=1, limit=2))
    assert [item.id for item in few.items] == ["web_of_lies/1", "web_of_lies/2"]


@pytest.mark.slow
def test_big_bench_hard_of_the_hub_without_examples_asks_all_as_lm_eval_does(hub: Path) -> None:
    (lies,) = load_tasks("bbh", HUB, TaskOptions(subjects=("web_of_lies",), shots=0))
    assert (lies.name, lies.version, len(lies.items)) == ("bbh_zeroshot_web_of_lies", "3.0", 5)
    assert lies.items[0].prompt == (
        "Evaluate a random boolean function expressed as a word problem.\n\nQ: Person 0 lies. Is it so?\nA:"
    )


@pytest.mark.slow
def test_what_the_hub_has_not_is_said(hub: Path) -> None:
    with pytest.raises(DocumentError, match=r"'cais/mmlu' \(none, dev\) cannot be fetched from the Hub"):
        load_tasks("mmlu", HUB, TaskOptions(subjects=("none",)))
    with pytest.raises(DocumentError, match=r"'SaylorTwift/bbh' has no subject 'lies'; it has boolean_expressions, "):
        load_tasks("bbh", HUB, TaskOptions(subjects=("lies",)))
    with pytest.raises(DocumentError, match=r"'snarks' has 4 questions: with 4 as examples none is left"):
        load_tasks("bbh", HUB, TaskOptions(subjects=("snarks",), shots=4))
    with pytest.raises(DocumentError, match=r"'SaylorTwift/bbh' \(hyperbaton, test\) cannot be fetched from the Hub"):
        load_tasks("bbh", HUB, TaskOptions(subjects=("hyperbaton",)))
    published(hub, "SaylorTwift/bbh", {"navigate": {"test": [{"input": "Left?", "target": 1}]}})
    with pytest.raises(DocumentError, match=r"\(navigate\), example 1: it needs the texts 'input' and 'target'"):
        load_tasks("bbh", HUB, TaskOptions(subjects=("navigate",)))
