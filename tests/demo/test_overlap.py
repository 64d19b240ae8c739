"""Composed questions without steps that were trained on, and a family that nothing was trained on."""

from __future__ import annotations

import random
from typing import Any

import pytest

from demo.composed import FAMILIES, ONLY_OF_DRILLS, UNSEEN_FAMILIES, generate, generate_unseen
from demo.composed.comparing import comes_to
from demo.composed.operations import recognise
from demo.composed.overlap import overlap_of, step_keys
from demo.composed.source import PlannerConversations
from demo.world import TASKS, draw
from demo.world.item import DIFFICULTIES, split_of

QUICK = ("chain", "units", "clock", "word chain", "facts", "shopping")


def test_questions_drawn_without_heed_overlap_with_what_was_trained_on() -> None:
    overlap = overlap_of(generate(300, 90, "heldout"))
    assert overlap.share > 0.85 and overlap.known


@pytest.mark.parametrize("family", QUICK)
def test_no_step_of_an_unseen_question_can_have_been_trained_on(family: Any) -> None:
    questions = list(generate_unseen(7, 4, [family]))
    assert len({q.prompt for q in questions}) == 4
    assert overlap_of(questions).taught == 0
    assert all(comes_to(q.plan, q.answer) and split_of(q.key) == "heldout" for q in questions)
    assert [q.prompt for q in generate_unseen(7, 4, [family])] == [q.prompt for q in questions]


def test_families_that_come_down_to_single_digits_are_left_out_because_those_are_trained_on() -> None:
    questions = [q for q in generate(300, 90, "heldout") if q.family in ONLY_OF_DRILLS]
    drilled = [any(key == "" for key in step_keys(q)) for q in questions]
    assert sum(drilled) > 0.8 * len(drilled)


def test_a_step_has_the_key_by_which_the_world_kept_it_out_of_the_training_data() -> None:
    chance = random.Random(4)
    compared = 0
    for task in TASKS:
        for difficulty in DIFFICULTIES:
            item = draw(chance, task, "en", difficulty, "heldout" if task not in ("talk", "outside") else "train")
            found = recognise(item.prompt)
            if found and (key := found.operation.key(found.arguments)) is not None:
                assert key == item.key
                compared += 1
    assert compared >= 8


def test_the_planner_is_trained_on_no_question_of_an_unseen_family() -> None:
    assert not UNSEEN_FAMILIES.keys() & FAMILIES.keys()
    source = PlannerConversations(random.Random(1))
    for _ in range(200):
        question = source.conversation()[0][1]
        assert " each" not in question and "单价" not in question
