"""A twentieth of what `make attack` does; each morning others."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.attack.__main__ import holds
from tests.attack.mutations import MAX_TEXT_CHARS, hostile_text, mutated_bytes, mutated_json
from tests.attack.seeds import RUN, write_seeds
from tests.attack.watch import attacked_app


@pytest.mark.nightly
def test_the_app_holds_under_attack(tmp_path: Path) -> None:
    seed = datetime.now(UTC).toordinal()
    with attacked_app(write_seeds(tmp_path / "seeds"), tmp_path / "app", seed, 0.05) as rows:
        found = list(rows)
    assert len(found) == 12
    assert found[0].outcome["refused"] == found[0].outcome["count"]
    assert [row for row in found if not holds(row)] == []


def test_the_same_seed_makes_the_same_attacks() -> None:
    run = json.loads(RUN.read_text(encoding="utf-8"))

    def some() -> list[object]:
        rng = random.Random(7)
        return [
            (mutated_bytes(rng, b"GGUF" * 40), mutated_json(rng, run), hostile_text(rng, ("a plan",)))
            for _ in range(50)
        ]

    assert some() == some()
    assert len(set(map(repr, some()))) == 50


def test_texts_have_a_bound() -> None:
    rng = random.Random(3)
    assert max(len(hostile_text(rng)) for _ in range(300)) <= MAX_TEXT_CHARS
