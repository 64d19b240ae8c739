"""Answers under a grammar, by both engines: nothing else is written, and the answer ends where the grammar does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from multi_llm_comparator.core.events import Failed, Started
from multi_llm_comparator.core.exceptions import GrammarError, InvalidParameterError
from multi_llm_comparator.core.requests import UNCONSTRAINED, GenerationRequest, Grammar
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.grammar_closers import closing_ranks
from multi_llm_comparator.inferencers.openai_api import EndpointOptions, OpenAIEndpoint
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from multi_llm_comparator.inferencers.pytorch_grammar import GrammarCompiler
from tests.support import tiny_gguf
from tests.support.requests import answer, greedy
from tests.support.scripted_openai_server import ScriptedServer
from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, use_gpu=False)
YES_NO = Grammar(gbnf='root ::= "yes" | "no"', lark='start: "yes" | "no"')
DIGITS = Grammar(gbnf='root ::= "(" [0-9]+ ")"', lark='start: "(" /[0-9]+/ ")"')
CLOSING = replace(DIGITS, closers=(")",), reserve=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=["gguf", "pytorch"])
def engine(request, folder):
    engine: Engine
    if request.param == "gguf":
        engine = GgufEngine(str(tiny_gguf.write_random(folder / "random.gguf")), OPTIONS)
    else:
        engine = PyTorchEngine(str(make_checkpoint(folder / "llama")), OPTIONS)
    yield engine
    engine.close()


def under(grammar: Grammar, text: str = "hello", **config) -> GenerationRequest:
    return replace(greedy(text, **config), grammar=grammar)


@pytest.mark.parametrize("config", [{}, {"temperature": 1.5, "seed": 3}, {"top_k": 0, "top_p": 1.0, "seed": 1}])
def test_an_answer_is_one_that_the_grammar_allows_and_then_ends(engine, config):
    (reply,) = answer(engine, under(YES_NO, **config))
    assert reply.text in ("yes", "no")
    assert reply.reason == "stop"


def test_each_answer_of_a_batch_keeps_to_its_own_grammar(engine):
    free, yes_no, digits = answer(engine, greedy("hello"), under(YES_NO), under(DIGITS))
    assert yes_no.text in ("yes", "no")
    assert digits.text[0] == "(" and digits.text[1:].rstrip(")").isdigit()
    assert free.text == answer(engine, greedy("hello"))[0].text


def test_the_same_seed_gives_the_same_answer(engine):
    asked = {"temperature": 1.0, "seed": 7, "max_tokens": 12}
    first, second = (answer(engine, under(DIGITS, **asked))[0].text for _ in range(2))
    assert first == second


def test_penalties_hold_for_what_the_grammar_leaves(engine):
    (reply,) = answer(engine, under(DIGITS, repeat_penalty=1.5, presence_penalty=1.0, max_tokens=8))
    assert reply.text.startswith("(")


def test_without_a_reserve_an_answer_is_cut_where_its_tokens_end(engine):
    (reply,) = answer(engine, under(Grammar(gbnf="root ::= [0-9]+", lark="start: /[0-9]+/"), max_tokens=9))
    assert reply.reason == "length" or reply.text.isdigit()


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_is_brought_to_its_end_before_its_tokens_run_out(engine, seed):
    wide = replace(CLOSING, gbnf='root ::= "(" [0-9]{40,} ")"', lark='start: "(" /[0-9]{40,}/ ")"', reserve=0)
    assert answer(engine, under(wide, max_tokens=12, seed=seed, temperature=1.0))[0].reason == "length"
    (reply,) = answer(engine, under(CLOSING, max_tokens=12, seed=seed, temperature=2.0, top_p=1.0))
    assert reply.text.endswith(")")
    assert reply.reason in ("stop", "length")


@pytest.mark.parametrize(
    ("gbnf", "lark"),
    [
        ('root ::= "a', 'start: "a'),
        ("root ::= missing", "start: missing"),
        ('other ::= "a"', 'other: "a"'),
        ("((((", "(((("),
        ("root ::= root", "start: ["),
        ('root ::= "a"{9999999}', "start: %%%"),
        ("root ::= " + "(" * 100_000, "start: " + "(" * 100_000),
        ("\0", "\0"),
    ],
)
def test_a_grammar_that_cannot_be_read_fails_its_request_alone(engine, gbnf, lark):
    wrong, right = answer(engine, under(Grammar(gbnf=gbnf, lark=lark)), under(YES_NO))
    assert isinstance(wrong.events[-1], Failed)
    assert wrong.events[-1].error_type == "GrammarError"
    assert right.text in ("yes", "no")


@given(text=st.text(alphabet='rot:=|()[]{}"?*+-^\\x09az,.<>! \n', max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_text_as_a_grammar_breaks_the_engine(engine, text):
    answer(engine, under(Grammar(gbnf=f"root ::= {text}", lark=f"start: {text}"), max_tokens=3))
    assert answer(engine, under(YES_NO))[0].text in ("yes", "no")


def test_a_model_whose_tokenizer_hides_the_text_of_its_tokens_says_so(folder):
    engine = PyTorchEngine(str(make_checkpoint(folder / "words", tokenizer=make_word_tokenizer())), OPTIONS)
    (reply,) = answer(engine, under(YES_NO, "t1 t2"))
    engine.close()
    assert isinstance(reply.events[-1], Failed)
    assert "cannot be held to a grammar" in reply.events[-1].message


def test_a_model_without_tokens_for_the_grammar_says_so():
    backend = Tokenizer(models.BPE(vocab={"y": 0, "e": 1, "<end>": 2}, merges=[]))
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    matcher = GrammarCompiler(tokenizer, 3, [2]).compile(YES_NO)
    for token in (0, 1):
        assert matcher.allowed().tolist() == [token == 0, token == 1, False]
        matcher.accept(token, tokens_left=9)
    assert not matcher.allowed().any()
    with pytest.raises(GrammarError, match="no tokens for"):
        matcher.check()


def test_a_request_crosses_to_the_model_process_with_its_grammar():
    request = under(CLOSING)
    assert GenerationRequest.from_dict(request.to_dict()) == request


@pytest.mark.parametrize("texts", [("", "start: x"), ("root ::= x", ""), ("x" * 300_000, "start: x")])
def test_a_grammar_is_bounded(texts):
    with pytest.raises(InvalidParameterError, match="characters"):
        Grammar(gbnf=texts[0], lark=texts[1])


def test_tokens_are_ranked_by_how_soon_they_lead_to_the_end():
    pieces = [b"x", b"</Plan", b"<", b"<Step", b'"', b'" D', b"/>", None, b""]
    assert closing_ranks(pieces, ("</", '"', "/")).tolist() == [4, 1, 1, 4, 2, 2, 3, 0, 4]


@pytest.mark.parametrize(
    ("takes", "sent"),
    [
        ("none", {}),
        ("llama-server", {"grammar": YES_NO.gbnf}),
        ("vllm", {"structured_outputs": {"grammar": YES_NO.gbnf}}),
    ],
)
async def test_an_endpoint_gets_a_grammar_as_it_takes_one_or_says_that_it_had_none(takes, sent):
    async with ScriptedServer() as server:
        endpoint = OpenAIEndpoint(EndpointOptions(base_url=server.url, model="m", grammar=takes))
        events = [event async for event in endpoint.stream(under(YES_NO, raw=False))]
        await endpoint.aclose()
    body = server.received[0].body
    assert {name: body[name] for name in ("grammar", "structured_outputs") if name in body} == sent
    (started,) = (event for event in events if isinstance(event, Started))
    assert started.notes == ((UNCONSTRAINED,) if takes == "none" else ())
