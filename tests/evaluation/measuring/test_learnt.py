"""A tuned model's training data is compared with what it is asked, and that is said wherever its score is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.evaluation.measuring.learnt import Learnt, Question, questions_of
from multi_llm_comparator.evaluation.measuring.materials import Material
from multi_llm_comparator.evaluation.measuring.report import remark_lines
from multi_llm_comparator.evaluation.tasks.base import TaskItem, TaskOptions
from multi_llm_comparator.evaluation.tasks.choice import ChoiceTask, choice_items, lettered
from multi_llm_comparator.evaluation.tasks.choice import Question as Row
from multi_llm_comparator.known_questions import known_by, tuned_folders
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.lineage import LINEAGE_FILE, lineage_of, write_lineage
from tests.evaluation.measuring.making import Saying, asked_all, evaluation, prompt_set

ASKED = "What is the capital of the largest country on earth?"
PASSAGE = "the quick brown fox jumps over the lazy dog while seven tired sailors count their coins in silence"


def trained(folder: Path, *questions: str) -> Path:
    """A folder that remembers having learnt these."""
    folder.mkdir(parents=True)
    chats = [
        Chat((Message("user", q), Message("assistant", "Yes.")), (1,), f"row {n}") for n, q in enumerate(questions)
    ]
    write_lineage(lineage_of(chats), folder / LINEAGE_FILE)
    return folder


def manager(*models: ModelInfo) -> ModelManager:
    made = ModelManager("nowhere")
    made.available_models = list(models)
    return made


def info(path: Path, name: str, **config: Any) -> ModelInfo:
    kind = ModelType.GGUF if path.suffix == ".gguf" else ModelType.PYTORCH
    return ModelInfo(name, name, str(path), kind, 1, dict(config))


def test_questions_that_were_learnt_are_counted_by_source(tmp_path: Path) -> None:
    folder = trained(tmp_path / "tuned", ASKED.lower(), f"Read this: {PASSAGE}. What do they count?")
    questions = {"prompts": [Question("1", ASKED), Question("2", "What is the sum of all these odd numbers?")],
                 "mmlu": [Question("3", f"In which book does {PASSAGE} stand?")]}  # fmt: skip
    own, mmlu = known_by(manager(info(folder, "tuned")))("tuned", questions)
    assert (own.source, own.questions, own.exact, own.overlapping) == ("prompts", 2, 1, 0)
    assert own.examples == (ASKED,)
    assert (mmlu.source, mmlu.exact, mmlu.overlapping) == ("mmlu", 0, 1)


def test_what_was_made_from_a_tuned_model_knows_what_that_one_learnt(tmp_path: Path) -> None:
    tuned = info(trained(tmp_path / "tuned", ASKED), "tuned")
    packed = info(tmp_path / "tuned-Q8_0.gguf", "packed", converted_from="tuned (BF16)")
    adapter = info(trained(tmp_path / "adapter", "Something else that nobody asks here"), "packed:adapter")
    adapter.base = packed
    other = info(tmp_path / "other.gguf", "other")
    models = manager(tuned, packed, adapter, other)
    assert [folder.name for folder in tuned_folders(adapter, models.get_available_models)] == ["adapter", "tuned"]
    known_to = known_by(models)
    assert [one.exact for one in known_to("packed", {"prompts": [Question("1", ASKED)]})] == [1]
    assert known_to("other", {"prompts": [Question("1", ASKED)]}) == known_to("nobody", {}) == []


def test_a_record_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    folder.mkdir()
    (folder / LINEAGE_FILE).write_bytes(b"nothing")
    (found,) = known_by(manager(info(folder, "tuned")))("tuned", {"prompts": [Question("1", ASKED)]})
    assert LINEAGE_FILE in found.error


def test_choices_belong_to_a_question_and_instructions_do_not() -> None:
    text = lettered("Which is a prime?", ["4", "7", "9", "10"], "Answer:")
    items = choice_items(
        "mmlu_x", "The following are questions.\n\n", [], [Row(text, 1, "x/0", {})], TaskOptions(shots=0)
    )
    plain = TaskItem(id="1", prompt="Instructions. How much is it?", target="2", question="How much is it?")
    task = ChoiceTask("mmlu_x", "mmlu", "1.0", [*items, plain])
    one, other = questions_of([Material(task, item) for item in task.items])["mmlu"]
    assert (one.text, one.more) == ("Which is a prime?", "4\n7\n9\n10")
    assert (other.text, other.more) == ("How much is it?", "")


async def test_it_is_said_in_reports_and_survives_a_restart(opened: Any) -> None:
    def known_to(target: str, questions: Any) -> Sequence[Learnt]:
        if target != "tuned":
            return ()
        asked = len(questions["prompts"])
        return (
            Learnt(source="prompts", questions=asked, exact=1),
            Learnt(source="prompts", questions=asked, error="gone"),
        )

    registry = opened(Saying(lambda target, request: "1"), known_to=known_to)
    run = await asked_all(registry, evaluation(prompt_set(("a?", "1"), ("b?", "2")), "tuned", "other"))
    assert [(one.subject, one.exact) for one in run.snapshot().learnt] == [("a", 1), ("a", 0)]
    (line,) = remark_lines(run.snapshot(), "en")
    assert line == "tuned was tuned, but what on cannot be read: gone"
    await registry.runs.aclose()
    again = await opened(Saying(lambda target, request: "1")).get(run.id)
    assert again.snapshot().learnt == run.snapshot().learnt


def test_words_say_what_was_learnt_and_what_was_not(opened: Any) -> None:
    from tests.evaluation.measuring.test_results import taken

    snapshot = taken({"a": [1.0] * 40})

    def said(**found: Any) -> str:
        (line,) = remark_lines(_with(snapshot, Learnt(subject="a", source="prompts", questions=40, **found)), "en")
        return line

    assert said(exact=3, overlapping=2).startswith(
        "a was tuned on 5 of the 40 questions of own prompts (3 word for word"
    )
    assert said(sampled=0.25).endswith(
        "none of the 40 questions of own prompts is in it, as far as one in 4 passages of it tells."
    )


def _with(snapshot: Any, learnt: Learnt) -> Any:
    import dataclasses

    return dataclasses.replace(snapshot, learnt=(learnt,))
