"""Which questions of an evaluation a model was tuned on, by what is remembered beside it of its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.evaluation.measuring.learnt import KnownTo, Learnt, Question
from multi_llm_comparator.services.model_manager import ModelManager

# A model made from a model made from a tuned one, and so on.
MAX_STEPS = 8


def known_by(models: ModelManager) -> KnownTo:
    """Looks beside a local model, its base, and the checkpoints of this machine that they were converted from."""

    def known_to(target: str, questions: Mapping[str, Sequence[Question]]) -> Sequence[Learnt]:
        model = models.find(target)
        folders = [] if model is None else list(dict.fromkeys(tuned_folders(model, models.get_available_models)))
        return [one for folder in folders for one in _learnt(folder, questions)]

    return known_to


def tuned_folders(model: ModelInfo, all_models: Callable[[], Sequence[ModelInfo]]) -> Iterator[Path]:
    """The folders that say what a model has learnt: its own, its base's, and its sources'."""
    from multi_llm_comparator.training.data.lineage import LINEAGE_FILE

    waiting, seen = [model], set[str]()
    while waiting and len(seen) < MAX_STEPS:
        one = waiting.pop()
        if one.path in seen:
            continue
        seen.add(one.path)
        if (folder := Path(one.path)).is_dir() and (folder / LINEAGE_FILE).is_file():
            yield folder.resolve()
        if one.base is not None:
            waiting.append(one.base)
        if made_from := str(one.config.get("converted_from") or "").partition(" (")[0]:
            waiting += [other for other in all_models() if Path(other.path).name == made_from]


def _learnt(folder: Path, questions: Mapping[str, Sequence[Question]]) -> Iterator[Learnt]:
    from multi_llm_comparator.training.data.contamination import EvaluationText
    from multi_llm_comparator.training.data.lineage import LINEAGE_FILE, contamination_of, read_lineage

    texts = [EvaluationText(one.id, one.text, source, one.more) for source, asked in questions.items() for one in asked]
    try:
        found = contamination_of(read_lineage(folder / LINEAGE_FILE), texts)
    except DocumentError as exc:
        yield from (Learnt(source=source, error=str(exc)) for source in questions)
        return
    for one in found.sets:
        yield Learnt(
            source=one.name,
            questions=one.texts,
            exact=one.exact,
            overlapping=one.overlapping,
            sampled=found.sampled,
            examples=tuple(match.question for match in one.examples),
        )
