"""Answers under a constraint, by both engines: nothing else is written, and the answer ends where it must."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import llguidance
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Failed, Finished, Started
from multi_llm_comparator.core.exceptions import GrammarError
from multi_llm_comparator.core.requests import UNCONSTRAINED, GenerationRequest
from multi_llm_comparator.inferencers import constraints
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.constraints import ConstraintCompiler, Matcher
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.grammar_closers import closing_ranks
from multi_llm_comparator.inferencers.openai_api import EndpointOptions, OpenAIEndpoint
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from multi_llm_comparator.inferencers.pytorch_text import vocabulary_for_constraints
from tests.support import tiny_gguf
from tests.support.grammars import BYTES
from tests.support.requests import Reply, answer, collect, greedy
from tests.support.scripted_openai_server import ScriptedServer
from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, use_gpu=False)
YES_NO = Constraint(choices=("yes", "no"))
DIGITS = Constraint(regex=r"\([0-9]+\)")
CLOSING = replace(DIGITS, closers=(")",), reserve=3)
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["rot", "grün", "🙂"]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
# Random weights want none of these.
REGEXES = (
    "[a-c]{2,5}",
    "(foo|barbar)+",
    r"[0-9]{4}-[0-9]{2}",
    "[^a-z]{3}",
    "日本(語|国)?",
    "[😀-😅]{2}",
    "é+x",
    r" two  spaces\n",
    "The quick brown fox jumps over the (lazy|quick) dog",
)
SCHEMAS: tuple[dict[str, Any], ...] = (
    PERSON,
    {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    {"anyOf": [{"const": "a"}, {"type": "null"}, {"type": "number", "minimum": 1, "maximum": 2}]},
    {"type": "string", "pattern": "^[A-Z]{2}[0-9]$"},
    {"$defs": {"n": {"enum": [1, 2]}}, "type": "array", "prefixItems": [{"$ref": "#/$defs/n"}], "items": False},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=["gguf", "pytorch"])
def engine(request: pytest.FixtureRequest, folder: Path) -> Iterator[Engine]:
    engine: Engine
    if request.param == "gguf":
        engine = GgufEngine(str(tiny_gguf.write_random(folder / "random.gguf")), OPTIONS)
    else:
        engine = PyTorchEngine(str(make_checkpoint(folder / "llama")), OPTIONS)
    yield engine
    engine.close()


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


def under(constraint: Constraint, text: str = "hello", **config: Any) -> GenerationRequest:
    return replace(greedy(text, **config), constraint=constraint)


@pytest.mark.parametrize("config", [{}, {"temperature": 1.5, "seed": 3}, {"top_k": 0, "top_p": 1.0, "seed": 1}])
def test_an_answer_is_one_that_is_allowed_and_then_ends(engine: Engine, config: dict[str, Any]) -> None:
    (reply,) = answer(engine, under(YES_NO, **config))
    assert reply.text in ("yes", "no")
    assert reply.reason == "stop"


@pytest.mark.parametrize("regex", REGEXES)
def test_an_answer_matches_its_regular_expression(engine: Engine, regex: str) -> None:
    asked = [under(Constraint(regex=regex), max_tokens=120, temperature=2.0, top_p=1.0, seed=s) for s in range(3)]
    for reply in answer(engine, *asked):
        assert reply.reason == "length" or re.fullmatch(regex, reply.text)
    assert {reply.reason for reply in answer(engine, under(Constraint(regex=regex), max_tokens=120))} <= {
        "stop",
        "length",
    }


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_answer_is_json_as_its_schema_describes_it(engine: Engine, schema: dict[str, Any]) -> None:
    constraint = Constraint.of_schema(schema)
    whole = 0
    for seed in range(4):
        (reply,) = answer(engine, under(constraint, max_tokens=180, temperature=1.5, top_p=1.0, seed=seed))
        if reply.reason == "stop":
            jsonschema.validate(json.loads(reply.text), schema)
            whole += 1
    assert whole


def test_an_answer_is_a_text_of_its_grammar(engine: Engine) -> None:
    lark = 'start: "<" NAME ("," NAME)* ">"\nNAME: /[a-z]{1,3}/'
    (reply,) = answer(engine, under(Constraint(lark=lark), temperature=1.0, seed=5, max_tokens=200))
    assert reply.reason == "length" or re.fullmatch("<[a-z]{1,3}(,[a-z]{1,3})*>", reply.text)


@given(choices=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_an_answer_is_one_of_its_choices_whatever_they_are(engine: Engine, choices: list[str], seed: int) -> None:
    (reply,) = answer(engine, under(Constraint(choices=tuple(choices)), max_tokens=60, temperature=1.0, seed=seed))
    assert reply.text in choices
    assert reply.reason == "stop"


def test_each_answer_of_a_batch_keeps_to_its_own_constraint(engine: Engine) -> None:
    asked = [greedy("hello"), under(YES_NO), under(DIGITS), under(Constraint.of_schema({"type": "boolean"}))]
    free, yes_no, digits, boolean = answer(engine, *asked)
    assert yes_no.text in ("yes", "no")
    assert digits.text[0] == "(" and digits.text[1:].rstrip(")").isdigit()
    assert boolean.text in ("true", "false")
    assert free.text == answer(engine, greedy("hello"))[0].text


@pytest.mark.parametrize("config", [{}, {"reproducible": True}])
def test_the_same_seed_gives_the_same_answer(engine: Engine, config: dict[str, Any]) -> None:
    asked = {"temperature": 1.0, "seed": 7, "max_tokens": 40, **config}
    constraint = Constraint.of_schema(PERSON)
    first, second = (answer(engine, under(constraint, **asked))[0].text for _ in range(2))
    assert first == second


def test_penalties_hold_for_what_the_constraint_leaves(engine: Engine) -> None:
    (reply,) = answer(engine, under(DIGITS, repeat_penalty=1.5, presence_penalty=1.0, max_tokens=8))
    assert reply.text.startswith("(")


def test_what_must_follow_counts_like_any_other_text(engine: Engine) -> None:
    sentence = "The quick brown fox jumps over the lazy dog."
    (whole,) = answer(engine, under(Constraint(choices=(sentence,)), max_tokens=100))
    assert (whole.text, whole.reason) == (sentence, "stop")
    tokens = whole.end.completion_tokens  # type: ignore[union-attr]
    (cut,) = answer(engine, under(Constraint(choices=(sentence,)), max_tokens=tokens - 1))
    assert cut.reason == "length"
    assert sentence.startswith(cut.text) and cut.end.completion_tokens == tokens - 1  # type: ignore[union-attr]
    (stopped,) = answer(engine, under(Constraint(choices=(sentence,)), max_tokens=100, stop=("fox",)))
    assert (stopped.text, stopped.reason) == ("The quick brown ", "stop")


def test_a_model_that_would_end_at_once_writes_what_it_must(folder: Path) -> None:
    engine = GgufEngine(str(tiny_gguf.write_chain(folder / "silent.gguf", {})), OPTIONS)
    free, five = answer(engine, greedy("hello"), under(Constraint(regex="[a-z]{5,7}"), max_tokens=30))
    engine.close()
    assert free.text == ""
    assert len(five.text) == 5
    assert five.reason == "stop"


def test_without_a_reserve_an_answer_is_cut_where_its_tokens_end(engine: Engine) -> None:
    (reply,) = answer(engine, under(Constraint(regex="[0-9]+"), max_tokens=9))
    assert reply.reason == "length" or reply.text.isdigit()


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_is_brought_to_its_end_before_its_tokens_run_out(engine: Engine, seed: int) -> None:
    wide = Constraint(regex=r"\([0-9]{40,}\)")
    assert answer(engine, under(wide, max_tokens=12, seed=seed, temperature=1.0))[0].reason == "length"
    (reply,) = answer(engine, under(CLOSING, max_tokens=12, seed=seed, temperature=2.0, top_p=1.0))
    assert reply.text.endswith(")")
    assert reply.reason in ("stop", "length")


NESTED = '{"items": ' * 90 + "{}" + "}" * 90
WRONG = {
    "text without an end": Constraint(lark='start: "a'),
    "a missing rule": Constraint(lark="start: missing"),
    "no first rule": Constraint(lark='other: "a"'),
    "open parentheses": Constraint(lark="start: " + "(" * 100_000),
    "no sense": Constraint(lark="start: %%%"),
    "a text without end": Constraint(lark="start: A\nA: A A"),
    "an open set": Constraint(regex="["),
    "a look-ahead": Constraint(regex="a(?=b)"),
    "a reference back": Constraint(regex=r"(a)\1"),
    "nested repetitions": Constraint(regex="(" * 2_000 + "a" + ")*" * 2_000),
    "an unknown word": Constraint.of_schema({"type": "object", "unevaluatedProperties": False}),
    "another place": Constraint.of_schema({"$ref": "https://example.org/schema.json"}),
    "no type": Constraint.of_schema({"type": "horse"}),
    "a product": Constraint.of_schema(
        {"allOf": [{"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(40)]}
    ),
    "many patterns": Constraint.of_schema({"type": "string", "allOf": [{"pattern": f"a{n}"} for n in range(100)]}),
    "rules one by one": Constraint(
        lark="start: r0\n" + "".join(f"r{n}: r{n + 1}\n" for n in range(9_000)) + 'r9000: "a"'
    ),
    "a pattern": Constraint.of_schema({"type": "string", "pattern": "(?!a)"}),
    "a special token that is not there": Constraint(lark="start: <|nothing_of_that_name|>"),
}


@pytest.mark.parametrize("constraint", WRONG.values(), ids=WRONG)
def test_what_cannot_be_compiled_is_refused(compiler: ConstraintCompiler, constraint: Constraint) -> None:
    with pytest.raises(GrammarError, match=r"the constraint cannot be read|takes too much time or memory"):
        matcher_of(compiler, constraint)


@pytest.mark.parametrize("wrong", ["an open set", "rules one by one"])
def test_a_constraint_that_is_refused_fails_its_request_alone(engine: Engine, wrong: str) -> None:
    failed, right = answer(engine, under(WRONG[wrong]), under(YES_NO))
    assert isinstance(failed.events[-1], Failed)
    assert failed.events[-1].error_type == "GrammarError"
    assert right.text in ("yes", "no")


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


@given(text=st.text(alphabet='rot:=|()[]{}"?*+-^\\x09az,.<>! \n', min_size=1, max_size=60))
@settings(max_examples=12, deadline=None)
def test_no_text_as_a_grammar_breaks_the_engine(engine: Engine, text: str) -> None:
    answer(engine, under(Constraint(lark=f"start: {text}"), max_tokens=3), under(Constraint(regex=text), max_tokens=3))
    assert answer(engine, under(YES_NO))[0].text in ("yes", "no")


def test_others_are_answered_while_a_constraint_is_compiled(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Event()

    def late() -> llguidance.LLTokenizer:
        ready.wait()
        return BYTES

    compiler = ConstraintCompiler(late, 257, frozenset({256}))
    monkeypatch.setattr(engine, "_constraints", compiler)
    held, free = under(YES_NO), greedy("hello")
    replies: dict[str, Reply] = {held.id: Reply(), free.id: Reply()}
    engine.submit(held)
    engine.submit(free)
    while not any(isinstance(event, Finished) for event in replies[free.id].events):
        for event in engine.step():
            replies[event.request_id].events.append(event)
    assert not any(isinstance(event, Started) for event in replies[held.id].events)
    engine.cancel(held.id)
    ready.set()
    collect(engine, replies)
    assert replies[held.id].reason == "cancelled"
    compiler.close()


def test_a_model_whose_tokenizer_hides_the_text_of_its_tokens_says_so(folder: Path) -> None:
    engine = PyTorchEngine(str(make_checkpoint(folder / "words", tokenizer=make_word_tokenizer())), OPTIONS)
    (reply,) = answer(engine, under(YES_NO, "t1 t2"))
    engine.close()
    assert isinstance(reply.events[-1], Failed)
    assert "cannot be held to a constraint" in reply.events[-1].message


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


GBNF = Constraint(lark='start: "a"', gbnf='root ::= "a"')
BOOLEAN = Constraint.of_schema({"type": "boolean"})
AS_FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "boolean"}}}


@pytest.mark.parametrize(
    ("takes", "constraint", "sent"),
    [
        ("none", GBNF, {}),
        ("none", BOOLEAN, {}),
        ("openai", BOOLEAN, {"response_format": AS_FORMAT}),
        ("openai", GBNF, {}),
        ("openai", YES_NO, {}),
        ("llama-server", GBNF, {"grammar": 'root ::= "a"'}),
        ("llama-server", BOOLEAN, {"response_format": AS_FORMAT}),
        ("llama-server", YES_NO, {"grammar": 'root ::= "yes" | "no"'}),
        ("llama-server", DIGITS, {}),
        ("llama-server", Constraint(lark='start: "a"'), {}),
        ("vllm", GBNF, {"structured_outputs": {"grammar": 'root ::= "a"'}}),
        ("vllm", BOOLEAN, {"response_format": AS_FORMAT}),
        ("vllm", YES_NO, {"structured_outputs": {"choice": ["yes", "no"]}}),
        ("vllm", DIGITS, {"structured_outputs": {"regex": DIGITS.regex}}),
        ("vllm", Constraint(lark='start: "a"'), {}),
    ],
)
async def test_an_endpoint_gets_a_constraint_as_it_takes_one_or_says_that_it_had_none(
    takes: Any, constraint: Constraint, sent: dict[str, Any]
) -> None:
    async with ScriptedServer() as server:
        endpoint = OpenAIEndpoint(EndpointOptions(base_url=server.url, model="m", grammar=takes))
        events = [event async for event in endpoint.stream(under(constraint, raw=False))]
        await endpoint.aclose()
    body = server.received[0].body
    names = ("grammar", "structured_outputs", "response_format")
    assert {name: body[name] for name in names if name in body} == sent
    (started,) = (event for event in events if isinstance(event, Started))
    assert started.notes == (() if sent else (UNCONSTRAINED,))
