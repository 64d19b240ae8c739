"""Model cards, written from a measurement."""

from collections.abc import Mapping, Sequence

from demo.checkpoints import parameter_count
from demo.measuring import Answered, Report, Score
from demo.shapes import MAX_TOKENS, Shape
from demo.world import DIFFICULTIES, LANGUAGES, TASKS
from demo.world.item import HELDOUT_SHARE

_DESCRIPTIONS: Mapping[str, str] = {
    "sum": "sums, worked out digit by digit; easy: up to two digits each (or three and one), hard: three, and four",
    "difference": "differences, worked out likewise, some negative; sizes as for sums",
    "product": "products with partial products shown; easy: one digit by two, hard: two by two, three by one",
    "compare": "which of two numbers is larger or smaller, yes/no; hard: three or four digits, alike at the front",
    "extreme": "largest or smallest of a list; easy: 3-4 numbers to 99, hard: 5-6",
    "sort": "sorting such lists",
    "units": "metres, kilograms, litres, hours, ...; hard: larger amounts of 7, 12, 24, 60, and to the larger unit",
    "time": "time of day plus or minus a while; hard: by way of the full hour, past midnight, minutes between",
    "reverse": "a word backwards; easy: 3-5 letters, hard: 6-9",
    "case": "upper and lower case; easy: 3-6 letters, hard: 7-10",
    "letters": "first and last letter, number of letters; hard: longer words, how often a letter occurs",
    "plural": "English plurals; easy: by rule, nouns never seen in word tasks; hard: irregular, new phrasings only",
    "fact": "capitals, continents, elements, planets, months, ...; hard: asked backwards",
    "translate": "English and Chinese both ways; easy: words in new phrasings, hard: new short phrases",
    "choice": "four options, read up to the right one (`A. Rome, B. Paris = B`); hard: backwards, the times table",
    "talk": "greetings, who are you, what can you do",
    "outside": "a polite no to anything else",
}


def _share(score: Score | None) -> str:
    return "" if score is None else f"{score['right'] / score['items']:.0%} ({score['right']}/{score['items']})"


def _task_table(report: Report) -> str:
    columns = [f"{level} {language}" for level in DIFFICULTIES for language in LANGUAGES]
    lines = ["| task | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for task in TASKS:
        cells = [_share(report["tasks"].get(f"{task} {column}")) for column in columns]
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _examples(answered: Sequence[Answered]) -> str:
    """The first held-out answer of each task, right or wrong as it came."""
    shown: dict[str, Answered] = {}
    for a in answered:
        shown.setdefault(a.item.task, a)
    lines = []
    for a in shown.values():
        prompt = a.item.prompt.replace("\n", " / ")
        lines.append(f"- {prompt} -> `{a.text}`" + ("" if a.correct else f" (wrong: {a.item.answer})"))
    return "\n".join(lines)


_WORKS_OUT = """
Before the result comes the working wherever there is any: products digit by digit, numbers compared from the front,
lists sorted one number after the other, letters numbered, times in minutes, and a choice's answer before its letter.
That takes more tokens than to answer straight away, and is right more often.
"""


def card(shape: Shape, report: Report, training: Mapping[str, object], answered: Sequence[Answered]) -> str:
    """The README.md of a demo model. Every figure comes from `report` and `training`."""
    overall, halves, languages = report["overall"], report["halves"], report["languages"]
    millions = parameter_count(shape.folder) / 1e6
    sizes = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shape.sizes.items())
    tasks = "\n".join(f"- **{task}**: {text}" for task, text in _DESCRIPTIONS.items())
    return f"""---
language: [en, zh]
pipeline_tag: text-generation
---

# {shape.name}

A {millions:.2f} million parameter instruction model of a small, documented world, trained from scratch. It exists so
that comparison, routing and plans have real models to run on any machine; it knows nothing beyond the tasks below
and says so when asked.

Architecture: `{shape.family.model_type}`, {sizes}, tied embeddings, {MAX_TOKENS} positions, float16 weights.
Byte-level BPE that splits text as Qwen2 does, digits singly; ChatML turns.

## Measured

{overall["items"]} held-out questions (seed {report["seed"]}), greedy, weights as stored (float16),
computed in float32:

| all | easy half | hard half | English | Chinese |
|---|---|---|---|---|
| {_share(overall)} | {_share(halves.get("easy"))} | {_share(halves.get("hard"))} | {_share(languages.get("en"))} | \
{_share(languages.get("zh"))} |

{_task_table(report)}

An answer is right when the text after its last "=" equals the expected one (`demo/scoring.py`).

## What it does

{tasks}
{_WORKS_OUT if shape.works_out else ""}
Some answers, as they came:

{_examples(answered)}

## Training

{training["tokens"]:,} tokens ({training["answer_tokens"]:,} in answers, which alone carry loss), {training["steps"]:,}
steps, {training["minutes"]} minutes, data seed {training["data_seed"]}, {training["hard_share"]:.0%} hard questions.
{training["note"]}

Rebuild with `python -m demo.train --model {shape.name}`, measure with `python -m demo.evaluate`.

## Split

A hash of each question's content (operands, list, word, phrase, or fact with its phrasing) holds out one key in
{HELDOUT_SHARE}, in both languages alike. Facts, single-word translations, irregular plurals and talk cannot be
known without being taught, so for them held out means a combination of content and phrasing that was never trained
on. Drill is always trained on and never
asked here: sums, products and comparisons of single digits, and "which option is ..." questions.
"""
