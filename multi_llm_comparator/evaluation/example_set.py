"""A prompt set to begin with: a dozen questions with checks of every kind, some too hard for a small model."""

from __future__ import annotations

import json

from multi_llm_comparator.evaluation.prompt_sets import PromptSet, checked_set

# What runs of it are called; pages say it in the reader's language.
EXAMPLE_NAME = "A dozen questions"
_PERSON = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}
# Prompt, how it is compared, what is expected, tag.
_ROWS: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    ("What is the capital of {{country}}?", "contains", "Paris", "facts", {"country": "France"}),
    ("What is the capital of {{country}}?", "contains", "Canberra", "facts", {"country": "Australia"}),
    ("Which planet is the largest in our solar system?", "contains", "Jupiter", "facts", {}),
    ("Who wrote the play Romeo and Juliet?", "contains", "Shakespeare", "facts", {}),
    ("What is the chemical formula of water? Answer with the formula alone.", "contains", "H2O", "facts", {}),
    ("How many days are there in a week?", "regex", r"(?i)\b(7|seven)\b", "numbers", {}),
    ("What is 2 + 2?", "numeric", "4", "numbers", {}),
    ("What is 7 times 8? Give only the number.", "numeric", "56", "numbers", {}),
    ("What is the opposite of hot? Answer in one word.", "exact", "Cold", "words", {}),
    ("Translate into French: Good morning!", "contains", "bonjour", "words", {}),
    ("Is a whale a fish or a mammal?", "regex", r"(?i)\bmammals?\b", "facts", {}),
    (
        'Write a JSON object with the fields "name" and "age" for Ada, who is 36. Write nothing else.',
        "json_schema",
        json.dumps(_PERSON),
        "form",
        {},
    ),
)


def example_set() -> PromptSet:
    """The set, as one of one's own: it can be changed and saved."""
    rows = [
        {"id": str(number), "prompt": prompt, "compare": how, "expected": expected, "tags": (tag,), "variables": values}
        for number, (prompt, how, expected, tag, values) in enumerate(_ROWS, 1)
    ]
    return checked_set("the example", name=EXAMPLE_NAME, rows=rows)
