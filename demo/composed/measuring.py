"""Measuring the demo planner on held-out composed questions."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from demo.answering import answer_all
from demo.composed import FAMILIES, generate
from demo.composed.comparing import comes_to, same_dag, same_models
from demo.composed.question import ComposedQuestion, compact_xml
from demo.conversations import IGNORED, encode
from demo.world.item import LANGUAGES
from multi_llm_comparator.core.exceptions import PlanError
from multi_llm_comparator.plans.parse import PlanParser

EVALUATION_SEED = 2026
MAX_PLAN_TOKENS = 720
"""Plans of eight steps take about 620."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A held-out question with what the planner wrote for it.

    `valid`: it is a plan, and nothing in it had to be repaired. `same_dag`: the expected steps with the expected
    dependencies. `same_models`: moreover each step goes to the model it should. `comes_to`: it ends in the expected
    answer when every step is answered exactly, whichever way it goes there.
    """

    question: ComposedQuestion
    text: str
    valid: bool
    same_dag: bool
    same_models: bool
    comes_to: bool


class Figures(TypedDict):
    """Counts among `questions`, as in `Planned`."""

    questions: int
    valid: int
    same_dag: int
    same_models: int
    comes_to: int


class PlannerReport(TypedDict):
    """A measurement; `tokens` is a plan's mean length, `under_grammar` counts valid plans by kind of model."""

    seed: int
    tokens: float
    overall: Figures
    languages: dict[str, Figures]
    families: dict[str, Figures]
    steps: dict[str, Figures]
    under_grammar: NotRequired[dict[str, int]]


def judged(question: ComposedQuestion, text: str) -> Planned:
    """What the planner wrote, beside what was expected."""
    parser = PlanParser()
    try:
        parser.feed(text)
        plan = parser.close()
    except PlanError:
        return Planned(question, text, False, False, False, False)
    return Planned(
        question,
        text,
        not parser.repairs,
        same_dag(plan, question.plan),
        same_models(plan, question.plan),
        comes_to(plan, question.answer),
    )


def measure(model: PreTrainedModel, tokenizer: Tokenizer, questions: int, seed: int = EVALUATION_SEED) -> list[Planned]:
    """Greedy plans for so many held-out questions, written freely: no grammar holds them."""
    model.eval()
    asked = list(generate(seed, questions, "heldout"))
    texts = {q.prompt: compact_xml(q.plan) for q in asked if writes_exactly(model, tokenizer, q)}
    others = [q.prompt for q in asked if q.prompt not in texts]
    texts |= dict(zip(others, answer_all(model, tokenizer, others, max_tokens=MAX_PLAN_TOKENS), strict=True))
    return [judged(question, texts[question.prompt]) for question in asked]


@torch.inference_mode()
def writes_exactly(model: PreTrainedModel, tokenizer: Tokenizer, question: ComposedQuestion) -> bool:
    """Whether the planner would write the expected plan token for token.

    One pass over it tells: where every token is the most probable one after those before it, greedy decoding writes it.
    """
    row = encode(tokenizer, [("user", question.prompt), ("assistant", compact_xml(question.plan))])
    likeliest = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0, :-1].argmax(-1)
    wanted = torch.tensor(row.labels[1:])
    return bool(((likeliest == wanted) | (wanted == IGNORED)).all())


def figures(planned: Iterable[Planned]) -> Figures:
    """Counts over some questions."""
    all_of_them = list(planned)
    return {
        "questions": len(all_of_them),
        "valid": sum(p.valid for p in all_of_them),
        "same_dag": sum(p.same_dag for p in all_of_them),
        "same_models": sum(p.same_models for p in all_of_them),
        "comes_to": sum(p.comes_to for p in all_of_them),
    }


def summary(planned: Sequence[Planned], tokenizer: Tokenizer, seed: int = EVALUATION_SEED) -> PlannerReport:
    """The figures of a measurement: overall, and by language, family and number of steps."""

    def groups(name: Callable[[ComposedQuestion], str], order: Iterable[str]) -> dict[str, Figures]:
        return {group: figures(p for p in planned if name(p.question) == group) for group in order}

    lengths = sorted({len(p.question.plan.steps) for p in planned})
    tokens = [len(tokenizer.encode(compact_xml(p.question.plan)).ids) for p in planned]
    return {
        "seed": seed,
        "tokens": round(sum(tokens) / max(len(tokens), 1), 1),
        "overall": figures(planned),
        "languages": groups(lambda q: q.language, LANGUAGES),
        "families": groups(lambda q: q.family, FAMILIES),
        "steps": groups(lambda q: str(len(q.plan.steps)), map(str, lengths)),
    }


def share_written_exactly(model: PreTrainedModel, tokenizer: Tokenizer, questions: int, seed: int) -> dict[str, float]:
    """The share of plans written token for token as expected, by family and overall."""
    model.eval()
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for question in generate(seed, questions, "heldout"):
        same = writes_exactly(model, tokenizer, question)
        for name in (question.family, "all"):
            total[name] += 1
            right[name] += same
    return {name: round(right[name] / total[name], 3) for name in total}
