"""A thought is told apart from the answer behind it, in whatever pieces both come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Event, TextDelta, ThoughtDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.inferencers.thoughts import AnswerParts, Telling, ThoughtBudget, ThoughtSplitter, in_one

CUTS = st.lists(st.integers(0, 200), max_size=12)
WORDS = st.text(alphabet="ab <>/\nthink", max_size=20)


def cut(text: str, cuts: list[int]) -> list[str]:
    return [text[a:b] for a, b in pairwise([0, *sorted(i % (len(text) + 1) for i in cuts), len(text)])]


def split(pieces: list[str], *, is_open: bool = False, looks: bool = True) -> tuple[str, str]:
    splitter = ThoughtSplitter(looks=looks, is_open=is_open)
    told = [*(splitter.push(piece) for piece in pieces), splitter.flush()]
    return "".join(thought for thought, _ in told), "".join(answer for _, answer in told)


@given(text=WORDS, cuts=CUTS, is_open=st.booleans())
def test_how_the_text_is_cut_changes_nothing(text: str, cuts: list[int], is_open: bool) -> None:
    assert split(cut(text, cuts), is_open=is_open) == split([text], is_open=is_open)


@given(thought=st.text(alphabet="ab ", max_size=9), answer=st.text(alphabet="ab <>", max_size=9), cuts=CUTS)
def test_thought_and_answer_come_apart(thought: str, answer: str, cuts: list[int]) -> None:
    text = f"<think>\n{thought}\n</think>\n\n{answer}"
    assert split(cut(text, cuts)) == (thought.strip(), answer.lstrip())


@pytest.mark.parametrize(
    ("text", "is_open", "expected"),
    [
        ("no thought", False, ("", "no thought")),
        ("  <b>bold</b>", False, ("", "  <b>bold</b>")),
        ("first <think>no</think>", False, ("", "first <think>no</think>")),
        ("two and two\n</think>\n\nfour", True, ("two and two", "four")),
        ("never ended", True, ("never ended", "")),
        ("<thi", False, ("", "<thi")),
        ("<think>a</think><think>b</think>", False, ("a", "<think>b</think>")),
    ],
)
def test_only_a_thought_at_the_beginning_is_one(text: str, is_open: bool, expected: tuple[str, str]) -> None:
    assert split(list(text), is_open=is_open) == expected


def test_where_no_thought_may_come_all_is_answer() -> None:
    assert split(["<think>a</think>b"], looks=False) == ("", "<think>a</think>b")


def test_stop_texts_end_the_answer_and_no_thought() -> None:
    parts = AnswerParts(["END"], ThoughtSplitter(looks=True))
    assert parts.push("<think>the END is near</think>so it EN") == ("the END is near", "so it ", False)
    assert parts.push("D of it") == ("", "", True)


def request(**more: object) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", "?"),), **more)  # type: ignore[arg-type]


def tell(telling: Telling, words: list[str]) -> list[Event]:
    events: list[Event] = []
    for number, word in enumerate(words, 1):
        events += telling.push(word, number, (TokenPiece(number, word, tuple(word.encode()), -1.0),))[0]
    return events + telling.end(len(words))


def test_pieces_are_those_of_the_answer_alone() -> None:
    events = tell(Telling(request()), ["<th", "ink>", "so", "</think>", "\n\n", "Yes", "."])
    assert [type(event) for event in events] == [ThoughtDelta] * 4 + [TextDelta] * 2
    assert [p.text for event in events if isinstance(event, TextDelta) for p in event.pieces] == ["Yes", "."]
    thoughts = [event for event in events if isinstance(event, ThoughtDelta)]
    assert ("".join(event.text for event in thoughts), thoughts[-1].tokens) == ("so", 5)


def test_pieces_of_what_might_have_become_a_thought_are_told_once_it_is_none() -> None:
    (event,) = tell(Telling(request()), ["<", "b>"])
    assert isinstance(event, TextDelta)
    assert (event.text, [piece.text for piece in event.pieces]) == ("<b>", ["<", "b>"])


@pytest.mark.parametrize("more", [{"raw": True}, {"constraint": Constraint(regex=".*")}])
def test_a_text_without_a_template_or_under_a_constraint_is_given_as_it_is(more: dict[str, object]) -> None:
    events = tell(Telling(request(**more)), ["<think>", "a", "</think>"])
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "<think>a</think>"


def test_several_pieces_of_text_become_one() -> None:
    one, other = tell(Telling(request()), ["a", "b"])
    (both,) = in_one([one, other])
    assert isinstance(both, TextDelta)
    assert (both.text, both.tokens, len(both.pieces)) == ("ab", 2, 2)


def test_a_budget_ends_the_thought_by_its_closing_tag_once() -> None:
    budget = ThoughtBudget(2, lambda: [7, 8])
    budget.take(1, is_thinking=True)
    assert budget.next_token is None
    budget.take(2, is_thinking=True)
    assert budget.next_token == 7
    budget.take(7, is_thinking=False)
    assert budget.next_token == 8
    budget.take(8, is_thinking=False)
    budget.take(1, is_thinking=True)
    assert budget.next_token is None


def test_no_budget_ends_nothing() -> None:
    budget = ThoughtBudget(ModelConfig().thinking_budget, lambda: [7])
    for _ in range(50):
        budget.take(1, is_thinking=True)
    assert budget.next_token is None
