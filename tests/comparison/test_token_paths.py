"""What kept tokens tell of answers: where they part, what stands before a token, and that they survive the store."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.comparison.answer import Answer
from multi_llm_comparator.comparison.documents import AnswerDocument, answer_document, validated
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ModelFacts
from multi_llm_comparator.comparison.token_paths import is_unsure, parting, share_tokenizer, steps_of, text_with
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Finished, TextDelta
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.token_pieces import TokenChance, TokenPiece


def piece(id: int, text: str, raw: bytes | None = None, logprob: float = -0.1, *top: TokenChance) -> TokenPiece:
    return TokenPiece(id, text, tuple(text.encode() if raw is None else raw), logprob, top)


def chance(id: int, text: str, raw: bytes | None = None) -> TokenChance:
    return TokenChance(id, text, -1.0, tuple(text.encode() if raw is None else raw))


def answered(*legs: tuple[str, tuple[TokenPiece, ...]], is_over: bool = True) -> AnswerSnapshot:
    answer = Answer(0, 1, Pane("a", "m", ModelConfig(top_logprobs=2)), ModelFacts(), {})
    for text, pieces in legs:
        leg = answer.begin_leg()
        answer.apply(leg, TextDelta(request_id="r", text=text, tokens=len(pieces), pieces=pieces))
        if is_over:
            answer.apply(leg, Finished(request_id="r", reason="stop", prompt_tokens=1, completion_tokens=len(pieces)))
    return answer.snapshot(1)


WORDS = (piece(1, "one"), piece(2, " two"), piece(3, " three"))


def test_a_token_knows_the_text_before_it_over_all_legs() -> None:
    steps = steps_of(answered(("zero ", ()), ("one two three", WORDS)))
    assert [step.before for step in steps] == [b"zero ", b"zero one", b"zero one two"]


def test_another_token_takes_the_place_of_one() -> None:
    other = piece(2, " two", None, -0.1, chance(2, " two"), chance(9, " ten"), chance(10, "<|end|>", b""))
    step = steps_of(answered(("one two", (WORDS[0], other))))[1]
    assert text_with(step) == "one two"
    assert text_with(step, 1) == "one ten"
    assert text_with(step, 2) is None, "nothing goes on behind a control token"
    assert text_with(step, 5) is None


def test_half_a_character_is_no_text_to_go_on_from() -> None:
    halves = (piece(1, "\ufffd", "é".encode()[:1]), piece(2, "\ufffd", "é".encode()[1:]))
    first, second = steps_of(answered(("é", halves)))
    assert text_with(first) is None
    assert text_with(second) == "é"


IDS = st.lists(st.integers(0, 5), max_size=6)


@given(same=IDS, first=st.lists(st.integers(6, 7)), second=st.lists(st.integers(8, 9)))
def test_answers_part_behind_what_they_share(same: list[int], first: list[int], second: list[int]) -> None:
    one = [piece(id, f"t{id}") for id in (*same, *first)]
    other = [piece(id, f"t{id}") for id in (*same, *second)]
    found = parting(one, other)
    if not first and not second:
        assert found is None
        return
    assert found is not None
    assert found.same == len(same)
    assert (found.first is None, found.second is None) == (not first, not second)


def test_ids_that_mean_other_texts_are_of_another_tokenizer() -> None:
    assert share_tokenizer([piece(1, "one")], [piece(1, "one"), piece(4, "x")])
    assert not share_tokenizer([piece(1, "one")], [piece(1, "uno")])
    assert share_tokenizer([piece(-1, "one")], [piece(-1, "uno")]), "endpoints tell no ids"


def test_a_token_of_less_than_half_the_probability_was_unsure() -> None:
    assert is_unsure(piece(1, "a", None, -0.8))
    assert not is_unsure(piece(1, "a", None, -0.6))


def test_tokens_are_stored_once_the_answer_is_over_and_come_back() -> None:
    growing = answered(("one two three", WORDS), is_over=False)
    assert "pieces" not in answer_document(growing)
    assert "pieces" not in answer_document(answered(("one", ())))
    document = json.loads(json.dumps(answer_document(answered(("one two three", WORDS)))))
    assert validated(AnswerDocument, document, "it").pieces == (WORDS,)


@pytest.mark.parametrize("pieces", [[[[1, "a"]]], [["x"]], "x", [[[1, "a", 0.0, [300], []]]]])
def test_tokens_that_are_none_are_refused(pieces: object) -> None:
    document = {**answer_document(answered(("one", ()))), "pieces": pieces}
    with pytest.raises(DocumentError, match="pieces"):
        validated(AnswerDocument, document, "it")
