"""The model card of the demo planner, written from a measurement."""

from collections.abc import Mapping, Sequence

from demo.checkpoints import parameter_count
from demo.composed.measuring import Figures, Planned, PlannerReport
from demo.shapes import MAX_TOKENS, Shape
from demo.world.item import HELDOUT_SHARE, LANGUAGES

_DESCRIPTIONS: Mapping[str, str] = {
    "expression": "nested sums, differences and products of numbers up to two digits",
    "chain": "one operation after the other: add, then multiply, then subtract ...",
    "several": "results of two to five operations: sorted, the larger, the largest or smallest of them",
    "units": "a conversion whose result is used further",
    "clock": "a time of day some hours and minutes later",
    "word chain": "words, their translations or names of elements: plural, backwards, upper case, letters counted, ...",
    "letters": "the letters of several words together, of their plurals, or of their English translations",
    "facts": "atomic numbers of two to four elements: compared, added up, sorted; which planet is further from the Sun",
    "counted": "legs of so many animals, sides of so many shapes, days of several months",
}


def _share(figures: Figures, count: int) -> str:
    return f"{count / figures['questions']:.1%} ({count}/{figures['questions']})"


def _row(name: str, figures: Figures) -> str:
    counts = (figures["valid"], figures["same_dag"], figures["same_models"], figures["comes_to"])
    return f"| {name} | {' | '.join(_share(figures, count) for count in counts)} |"


def _table(report: PlannerReport) -> str:
    heading = ["", "valid plan", "expected DAG", "and each step to the right model", "comes to the answer"]
    names = {"en": "English", "zh": "Chinese"}
    groups = [
        ("all", report["overall"]),
        *((names[language], found) for language, found in report["languages"].items()),
        *report["families"].items(),
        *((f"{steps} steps", found) for steps, found in report["steps"].items()),
    ]
    return "\n".join(
        [f"| {' | '.join(heading)} |", "|---|" + "---|" * (len(heading) - 1), *(_row(*group) for group in groups)]
    )


def _examples(planned: Sequence[Planned]) -> str:
    """The first right plan of each language, and the first that was not the expected one."""
    shown = [next(p for p in planned if p.same_dag and p.question.language == lang) for lang in LANGUAGES]
    shown += [p for p in planned if not p.same_dag][:1]
    return "\n\n".join(
        f"{p.question.prompt}{'' if p.same_dag else ' (not the expected plan)'}\n\n```xml\n{p.text}\n```" for p in shown
    )


def _under_grammar(report: PlannerReport) -> str:
    counts = dict(report.get("under_grammar", {}))
    if not counts:
        return ""
    questions = counts.pop("questions")
    shares = [f"{count / questions:.1%} ({count}/{questions}) as {kind}" for kind, count in counts.items()]
    return f" Under the grammar that the workbench holds\nlocal planners to, valid are {' and '.join(shares)}."


def card(shape: Shape, report: PlannerReport, training: Mapping[str, object], planned: Sequence[Planned]) -> str:
    """The README.md of the demo planner. Every figure comes from `report` and `training`."""
    overall = report["overall"]
    sizes = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shape.sizes.items())
    families = "\n".join(f"- **{family}**: {text}" for family, text in _DESCRIPTIONS.items())
    return f"""---
language: [en, zh]
pipeline_tag: text-generation
---

# {shape.name}

A {parameter_count(shape.folder) / 1e6:.2f} million parameter planner: it splits a composed question of the demo world
into the steps that answer it, as an XML plan, for the other demo models to solve. It answers nothing itself, and what
it writes for other kinds of questions than those below is a plan of nonsense.

Architecture: `{shape.family.model_type}`, {sizes}, tied embeddings, {MAX_TOKENS} positions, float16 weights; the
tokenizer of the other demo models, ChatML turns. The question is the only message: no system prompt.

## Measured

{overall["questions"]} held-out questions (seed {report["seed"]}) of two to eight steps, greedy, written freely (no
grammar), weights as stored (float16), computed in float32. A plan takes {report["tokens"]:.0f} tokens on average.

{_table(report)}

A plan is valid when it is read without anything being repaired. The expected DAG has the same steps with the same
dependencies, whatever their numbers, order and wording. A plan comes to the answer when it ends in exactly that if
every step is answered exactly.{_under_grammar(report)}

## What it plans

{families}

Many of these also ask whether the result is larger than some number, and are answered like "568, Yes".

{_examples(planned)}

Tasks are worded as the demo models were taught, and quote earlier answers as `{{2}}`. Steps of difficulty 5 and more
are for the large model: the hard half of the demo world, and all comparing and sorting, at which the small one is weak.

## Training

It begins with the weights of demo-small. {training["tokens"]:,} tokens ({training["answer_tokens"]:,} in plans, which
alone carry loss), {training["steps"]:,} steps, {training["minutes"]} minutes, data seed {training["data_seed"]}.
{training["note"]}

Rebuild with `python -m demo.composed.train`, measure with `python -m demo.composed.evaluate`.

## Split

A hash of each question's content (numbers, words, names) holds out one in {HELDOUT_SHARE}, in both languages alike,
but for chains of operations, which their last words tell apart as well.
"""
