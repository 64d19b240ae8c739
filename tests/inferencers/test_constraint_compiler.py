"""Constraints become masks over a vocabulary, or are refused, whatever they ask."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import GrammarError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers import constraints
from multi_llm_comparator.inferencers.constraints import ConstraintCompiler, Matcher
from multi_llm_comparator.inferencers.grammar_closers import closing_ranks
from multi_llm_comparator.inferencers.pytorch_text import vocabulary_for_constraints
from tests.inferencers.constrained import CLOSING, PERSON, WRONG, YES_NO, under
from tests.support.grammars import BYTES


@pytest.fixture(scope="module")
def compiler() -> Iterator[ConstraintCompiler]:
    compiler = ConstraintCompiler(lambda: BYTES, 257, frozenset({256}))
    yield compiler
    compiler.close()


def matcher_of(compiler: ConstraintCompiler, constraint: Constraint) -> Matcher:
    request = under(constraint)
    compiler.begin(request)
    while not compiler.is_ready(request):
        compiler.wait()
    matcher = compiler.take(request)
    assert matcher is not None
    return matcher


NESTED = '{"items": ' * 90 + "{}" + "}" * 90


@pytest.mark.parametrize("constraint", WRONG.values(), ids=WRONG)
def test_what_cannot_be_compiled_is_refused(compiler: ConstraintCompiler, constraint: Constraint) -> None:
    with pytest.raises(GrammarError, match=r"the constraint cannot be read|takes too much time or memory"):
        matcher_of(compiler, constraint)


HOSTILE = {
    "deep": Constraint(json_schema=NESTED),
    "a rule of itself": Constraint(lark="start: start start | "),
    "many names": Constraint.of_schema({"enum": [f"value {n} of many" for n in range(9_000)]}),
    "many properties": Constraint.of_schema({"properties": {f"p{n}": {"type": "string"} for n in range(3_000)}}),
    "nothing": Constraint.of_schema({"not": {}}),
    "itself": Constraint.of_schema({"$ref": "#"}),
    "itself in a circle": Constraint.of_schema(
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    ),
    "a long class": Constraint(regex="[" + "".join(chr(n) for n in range(0x4E00, 0x8E00, 2)) + "]{1,500}"),
    "alternatives": Constraint(regex="|".join(f"(a{n}b|c{n}*)*" for n in range(2_000))),
    "not": Constraint(lark="start: A\nA: ~(/(.*a.{12}b)/) & /(?s:.*c.{12}d)/"),
    "long lists": Constraint.of_schema({"type": "array", "minItems": 100_000, "items": {"type": "integer"}}),
    "long texts": Constraint.of_schema({"type": "string", "minLength": 10_000_000}),
    "numbers": Constraint.of_schema({"type": "number", "multipleOf": 0.0000001, "minimum": -1e300, "maximum": 1e300}),
    "many repetitions": Constraint(regex="((a{1,1000}b?){1,1000}c?){1,1000}"),
    "zero": Constraint(regex="a\0b"),
}


@pytest.mark.parametrize("constraint", HOSTILE.values(), ids=HOSTILE)
def test_whatever_a_constraint_asks_it_is_refused_or_its_masks_are_made(
    compiler: ConstraintCompiler, constraint: Constraint
) -> None:
    try:
        matcher = matcher_of(compiler, constraint)
    except GrammarError:
        return
    for _ in range(5):
        may = np.flatnonzero(~matcher.forbidden())
        if matcher.is_stuck or matcher.is_used_up:
            return
        matcher.accept(int(may[0]), tokens_left=9)


def test_a_model_without_tokens_for_the_constraint_says_so() -> None:
    backend = Tokenizer(models.BPE(vocab={"y": 0, "e": 1, "<end>": 2}, merges=[]))
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    stop_ids = frozenset({2})
    compiler = ConstraintCompiler(lambda: vocabulary_for_constraints(tokenizer, 3, stop_ids), 3, stop_ids)
    matcher = matcher_of(compiler, YES_NO)
    for token in (0, 1):
        assert matcher.forbidden().tolist() == [token != 0, token != 1, True]
        matcher.accept(token, tokens_left=9)
    assert matcher.forbidden().all()
    with pytest.raises(GrammarError, match="no tokens for"):
        matcher.check()
    compiler.close()


def test_a_constraint_is_compiled_once_and_only_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "MAX_COMPILED", 3)
    compiler = ConstraintCompiler(lambda: BYTES, 257, frozenset({256}))
    first, again = matcher_of(compiler, YES_NO), matcher_of(compiler, YES_NO)
    first.accept(ord("y"), tokens_left=9)
    assert not again.forbidden()[ord("n")]
    for number in range(5):
        matcher_of(compiler, Constraint(choices=(str(number),)))
    assert len(compiler._kept) == 3
    compiler.close()


def test_a_request_crosses_to_the_model_process_with_its_constraint() -> None:
    for constraint in (
        CLOSING,
        YES_NO,
        Constraint.of_schema(PERSON),
        Constraint(lark="start: /a/", gbnf='root ::= "a"'),
    ):
        request = under(constraint)
        assert GenerationRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_tokens_are_ranked_by_how_soon_they_lead_to_the_end() -> None:
    pieces = [b"x", b"</Plan", b"<", b"<Step", b'"', b'" D', b"/>", None, b""]
    assert closing_ranks(pieces, ("</", '"', "/")).tolist() == [4, 1, 1, 4, 2, 2, 3, 0, 4]
