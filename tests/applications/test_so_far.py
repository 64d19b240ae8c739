from __future__ import annotations

import json

import pytest

from multi_llm_comparator.applications.so_far import Writing
from tests.support.growth import grows_evenly


def writing(text: str) -> Writing:
    return Writing(key="part.1", state="running", for_s=1.0, tokens=9, text=text)


CLAIMS = json.dumps(
    {"claims": [{"quote": "Revenue rose.", "claim": "It grew.", "kind": "point"}, {"quote": "Costs fell."}]}
)


def test_of_json_that_is_still_written_the_texts_are_read_as_they_come() -> None:
    assert writing('{"claims": [{"quote": "Revenue ro').lines == ["“Revenue ro”"]
    assert writing(CLAIMS).lines == ["“Revenue rose.” · It grew.", "“Costs fell.”"]
    assert writing('{"scores": [{"criterion": "Cost", "score": 4, "quote": "ch').lines == ["Cost · 4 · “ch”"]
    assert writing(f"```json\n{CLAIMS}").lines == writing(CLAIMS).lines


@pytest.mark.parametrize("end", range(0, len(CLAIMS), 3))
def test_nothing_of_the_form_is_shown_wherever_the_answer_is_just_now(end: int) -> None:
    assert not any(sign in "".join(writing(CLAIMS[:end]).lines) for sign in '{}[]"')


def test_prose_is_read_as_it_is_and_what_cannot_be_read_is_not_shown() -> None:
    assert writing("Revenue rose. [1]\n\nCosts fe").lines == ["Revenue rose. [1]", "Costs fe"]
    assert writing("").lines == writing("```").lines == writing("{claims").lines == []
    assert writing(f"{CLAIMS} And so on").lines == writing(CLAIMS).lines
    assert writing("[" * 10_000).lines == []
    assert writing('{"claims": null, "n": true}').lines == []


def test_reading_grows_as_the_answer_does() -> None:
    assert grows_evenly(lambda text: writing(f'{{"claims": [{text}').lines, '{"quote": "a", "claim": "b"},')
