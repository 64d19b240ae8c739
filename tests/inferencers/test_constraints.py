"""Answers under a constraint, by both engines: nothing else is written, and the answer ends where it must."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import llguidance
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Failed, Finished, Started
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.constraints import ConstraintCompiler
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.inferencers.constrained import CLOSING, DIGITS, PERSON, WRONG, YES_NO, under
from tests.support import tiny_gguf
from tests.support.grammars import BYTES
from tests.support.requests import Reply, answer, collect, greedy
from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, use_gpu=False)
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


@pytest.mark.parametrize("wrong", ["an open set", "rules one by one"])
def test_a_constraint_that_is_refused_fails_its_request_alone(engine: Engine, wrong: str) -> None:
    failed, right = answer(engine, under(WRONG[wrong]), under(YES_NO))
    assert isinstance(failed.events[-1], Failed)
    assert failed.events[-1].error_type == "GrammarError"
    assert right.text in ("yes", "no")


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
