"""Images in prompt sets: shown before the prompt, refused by who does not see, and never left out in silence."""

from __future__ import annotations

import json
from typing import Any

from multi_llm_comparator.core.events import Failed
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.evaluation.measuring.cells import CellKey
from multi_llm_comparator.evaluation.measuring.human_votes import voting_spec
from multi_llm_comparator.evaluation.measuring.spec import JudgeSpec
from tests.evaluation.measuring.making import Saying, asked_all, evaluation, prompt_set
from tests.evaluation.test_prompt_sets import PIXEL

SEEN = prompt_set(
    {"prompt": "What is it?", "compare": "contains", "expected": "dot", "images": [PIXEL]},
    {"prompt": "Describe it.", "compare": "judged", "images": [PIXEL, PIXEL]},
    {"prompt": "What is 2 + 2?", "compare": "numeric", "expected": "4"},
)
BLIND = Failed(request_id="", error_type="RequestRefusedError", message="'blind' does not see images")


def says(target: str, request: GenerationRequest) -> str | Failed:
    if target == "judge":
        return json.dumps({"reason": "it says more", "better": "first"})
    if request.images and target == "blind":
        return BLIND
    return "A dot." if request.images else "4"


async def test_who_sees_is_asked_with_the_images_and_who_does_not_fails_on_those_rows_alone(opened: Any) -> None:
    source = Saying(says)
    run = await asked_all(opened(source), evaluation(SEEN, "sees", "blind"))
    first, described, plain = (request for target, request in source.asked if target == "sees")
    (message,) = first.messages
    assert (message.images, message.image_places, first.images_optional) == ((PIXEL,), (0,), False)
    assert (len(described.images), plain.images) == (2, ())
    assert [run.cells[CellKey(n, "b")].state for n in range(3)] == ["failed", "failed", "done"]
    assert run.cells[CellKey(0, "b")].error == BLIND.message
    assert (run.cells[CellKey(0, "a")].correct, run.cells[CellKey(2, "b")].correct) == (True, True)
    # Who votes would not see them either.
    assert [row.id for row in voting_spec(run.snapshot()).prompts] == ["3"]


async def test_a_judge_is_told_that_there_were_images(opened: Any) -> None:
    source = Saying(says)
    spec = evaluation(SEEN, "sees", "sees too", judge=JudgeSpec(target="judge"))
    await asked_all(opened(source), spec)
    shown = [request.messages[0].content for target, request in source.asked if target == "judge"]
    assert len(shown) == 2
    assert all("2 images stood before the question" in text for text in shown)
