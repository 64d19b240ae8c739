"""Curves that come with the package: what routing was worth on recorded answers of public models.

``recorded.jsonl`` has a line for each data set; ``python -m benchmarks.routing`` writes it. They show how quality and
cost go together before anything was measured here.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from multi_llm_comparator.routing.curves import Curves

FILE = "recorded.jsonl"


@cache
def recorded_curves() -> dict[str, Curves]:
    """By the name of the data set."""
    text = files("multi_llm_comparator.routing").joinpath(FILE).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return {line["set"]: Curves.from_dict(line["curves"]) for line in lines}
