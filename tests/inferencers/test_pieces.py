"""What a model thought of each token of its answer, told beside the text: the same that scoring the text tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Event, Failed, TextDelta, Tokenized
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.core.token_requests import TokenList, TokenRequest
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.support.requests import Reply, answer
from tests.support.scoring import results

MODELS = Path(__file__).parents[2] / "models"
OPTIONS = LoadOptions(n_ctx=512, n_threads=1, torch_dtype="float32")
QUESTION = (Message("user", "What is 12 + 7?"),)
KINDS = ["pytorch", "gguf"]


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine: Engine
    if request.param == "gguf":
        engine = GgufEngine(str(MODELS / "gguf" / "demo-small-F16.gguf"), OPTIONS)
    else:
        engine = PyTorchEngine(str(MODELS / "pytorch" / "demo-small"), OPTIONS)
    yield engine
    engine.close()


def asked(**config: object) -> GenerationRequest:
    return GenerationRequest(messages=QUESTION, config=ModelConfig(max_tokens=24, **config))  # type: ignore[arg-type]


def pieces_of(reply: Reply) -> list[TokenPiece]:
    return [piece for event in reply.events if isinstance(event, TextDelta) for piece in event.pieces]


def result_of(event: Event) -> TokenList:
    assert isinstance(event, Tokenized), event
    return TokenList.from_dict(event.result)


@pytest.mark.parametrize(
    "config",
    [
        {"temperature": 0, "repeat_penalty": 1.0},
        {"seed": 5, "temperature": 2.0, "repeat_penalty": 1.5, "logit_bias": {3: 5.0}, "min_p": 0.01, "top_k": 0},
        {"seed": 5, "temperature": 1.5, "reproducible": True, "dry_multiplier": 2.0, "frequency_penalty": 1.0},
    ],
)
def test_pieces_are_what_teacher_forcing_gives_however_the_tokens_were_drawn(
    engine: Engine, config: dict[str, object]
) -> None:
    (reply,) = answer(engine, asked(top_logprobs=5, **config))
    pieces = pieces_of(reply)
    assert len(pieces) == reply.end.completion_tokens  # type: ignore[union-attr]
    assert b"".join(bytes(piece.bytes) for piece in pieces).decode("utf-8", "replace").startswith(reply.text)
    scorer = engine.open_scorer()
    ids = tuple(piece.id for piece in pieces)
    prompt = result_of(engine.tokens(TokenRequest(messages=QUESTION))).tokens
    (score,) = results(scorer, [ScoreRequest(prefix=prompt, continuations=(ids,), top_k=5)])
    scorer.close()
    # llama.cpp keeps keys and values in 16 bit while it writes, and in 32 while it scores.
    within = 1e-3 if isinstance(engine, PyTorchEngine) else 3e-2
    (forced,) = score.continuations
    assert [piece.logprob for piece in pieces] == pytest.approx(forced.token_logprobs, abs=within)
    for piece, top in zip(pieces, forced.top, strict=True):
        assert [chance.logprob for chance in piece.top] == pytest.approx(top.logprobs, abs=within)
        assert all(piece.logprob <= piece.top[0].logprob + 1e-6 for _ in piece.top)


def test_nothing_is_told_that_was_not_asked_for(engine: Engine) -> None:
    plain, alone = answer(engine, asked(temperature=0), asked(temperature=0, top_logprobs=0))
    assert not pieces_of(plain)
    assert plain.text == alone.text
    assert all(piece.top == () for piece in pieces_of(alone))
    assert len(pieces_of(alone)) == alone.end.completion_tokens  # type: ignore[union-attr]


def test_under_a_constraint_every_token_has_its_piece(engine: Engine) -> None:
    request = GenerationRequest(
        messages=QUESTION,
        config=ModelConfig(temperature=0, max_tokens=24, top_logprobs=1),
        constraint=Constraint(choices=("the answer is 12345", "no")),
    )
    (reply,) = answer(engine, request)
    assert b"".join(bytes(piece.bytes) for piece in pieces_of(reply)).decode() == reply.text
    assert len(pieces_of(reply)) == reply.end.completion_tokens  # type: ignore[union-attr]


def test_a_bias_forbids_or_forces_a_token(engine: Engine) -> None:
    (free,) = answer(engine, asked(temperature=0, top_logprobs=2))
    first, second = pieces_of(free)[0].id, pieces_of(free)[0].top[1].id
    forbidden, forced = answer(
        engine,
        asked(temperature=0, top_logprobs=0, logit_bias={first: -100.0}),
        asked(temperature=0, top_logprobs=0, logit_bias={second: 100.0}),
    )
    assert first not in {piece.id for piece in pieces_of(forbidden)}
    assert {piece.id for piece in pieces_of(forced)} == {second}


def test_a_bias_for_a_token_that_the_model_does_not_have_fails_the_request(engine: Engine) -> None:
    (reply,) = answer(engine, asked(logit_bias={10**6: 1.0}))
    assert isinstance(reply.end, Failed)
    assert reply.end.error_type == "InvalidParameterError"


def test_ids_are_read_as_they_are(engine: Engine) -> None:
    listed = result_of(engine.tokens(TokenRequest(messages=QUESTION)))
    config = ModelConfig(temperature=0, max_tokens=24)
    by_text, by_ids = answer(
        engine,
        GenerationRequest(messages=QUESTION, config=config),
        GenerationRequest(messages=(), prompt_tokens=listed.tokens, config=config),
    )
    assert by_ids.started.prompt_tokens == by_text.started.prompt_tokens == len(listed.tokens)
    assert by_ids.text.strip() == by_text.text.strip()


def test_ids_of_another_tokenizer_fail_the_request(engine: Engine) -> None:
    (reply,) = answer(engine, GenerationRequest(messages=(), prompt_tokens=(10**6,)))
    assert isinstance(reply.end, Failed)
    assert "another tokenizer" in reply.end.message
    refused = engine.tokens(TokenRequest(tokens=(10**6,)))
    assert isinstance(refused, Failed)


def test_tokens_become_the_text_that_they_were_made_of(engine: Engine) -> None:
    text = "12 + 7 = 19"
    listed = result_of(engine.tokens(TokenRequest(text=text, adds_begin=False)))
    assert b"".join(raw for _, raw in listed.spelled).decode() == text
    assert result_of(engine.tokens(TokenRequest(tokens=listed.tokens))).text == text
    assert listed.n_ctx == 512


def test_the_name_of_a_control_token_is_that_token_only_where_it_is_asked_for(engine: Engine) -> None:
    known = result_of(engine.tokens(TokenRequest()))
    as_text = result_of(engine.tokens(TokenRequest(text=known.end, adds_begin=False)))
    as_control = result_of(engine.tokens(TokenRequest(text=known.end, adds_begin=False, reads_control=True)))
    assert len(as_control.tokens) == 1
    assert as_text.tokens != as_control.tokens
    assert as_control.spelled[0][0] == known.end
    assert known.chat_template
