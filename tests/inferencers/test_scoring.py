"""Log-probabilities of texts: those of the bare model, whatever is scored beside them and however it is cut up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from multi_llm_comparator.core.events import Event, Failed, Finished, Scored, TextDelta
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.scores import TIE_NATS, ScoreRequest, ScoreResult
from multi_llm_comparator.inferencers import prefill_chunk
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from multi_llm_comparator.inferencers.scorer import ONE_BY_ONE, Scorer
from tests.support import tiny_gguf
from tests.support.requests import answer, greedy
from tests.support.scoring import outcomes, results
from tests.support.tiny_checkpoint import make_checkpoint, make_tokenizer

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, torch_dtype="float32")
EXAMPLES = "hello world one two three " * 4
QUESTIONS = [
    ScoreRequest(prefix=f"{EXAMPLES}{'two ' * n}three\nis", continuations=(" one", " two", " two three hello", " a,b"))
    for n in range(9)
]
LONG_TEXT = "one two hello world three " * 40


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Engine]]:
    """One engine of each kind for all tests."""
    folder, engines = tmp_path_factory.mktemp("models"), dict[str, Engine]()

    def engine(kind: str) -> Engine:
        if kind not in engines and kind == "gguf":
            engines[kind] = GgufEngine(str(tiny_gguf.write_random(folder / "random.gguf")), OPTIONS)
        elif kind not in engines:
            make_checkpoint(folder / kind, kind)
            # An empty prefix needs an end mark, at least.
            make_tokenizer().save_pretrained(folder / kind)
            engines[kind] = PyTorchEngine(str(folder / kind), OPTIONS)
        return engines[kind]

    yield engine
    for one in engines.values():
        one.close()


@pytest.fixture
def scorer(request: pytest.FixtureRequest, opened: Callable[[str], Engine]) -> Iterator[Scorer]:
    scorer = opened(request.param).open_scorer()
    yield scorer
    scorer.close()


every_kind = pytest.mark.parametrize("scorer", ["llama", "gpt2", "mamba", "gguf"], indirect=True)
both_engines = pytest.mark.parametrize("scorer", ["llama", "gguf"], indirect=True)


def differences(some: list[ScoreResult], others: list[ScoreResult]) -> list[float]:
    return [abs(a - b) for x, y in zip(some, others, strict=True) for a, b in zip(x.logprobs, y.logprobs, strict=True)]


def again(requests: list[ScoreRequest]) -> list[ScoreRequest]:
    return [replace(request, id=f"{request.id}again") for request in requests]


@every_kind
def test_scores_in_a_batch_are_those_of_each_continuation_alone(scorer: Scorer) -> None:
    together = results(scorer, QUESTIONS)
    for request, result in zip(QUESTIONS, together, strict=True):
        singles = [replace(request, id=f"{request.id}{one}", continuations=(one,)) for one in request.continuations]
        alone = [results(scorer, [single])[0] for single in singles]
        assert max(abs(a.logprobs[0] - b) for a, b in zip(alone, result.logprobs, strict=True)) < TIE_NATS
        greedy_alone = [one.continuations[0].is_greedy for one in alone]
        assert greedy_alone == [one.is_greedy for one in result.continuations]


@pytest.mark.parametrize("scorer", ["llama", "gpt2", "mamba"], indirect=True)
def test_scores_are_those_of_the_bare_model(
    scorer: Scorer, opened: Callable[[str], Engine], request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["scorer"]
    engine = opened(kind)
    assert isinstance(engine, PyTorchEngine)
    for result, asked in zip(results(scorer, QUESTIONS[:3]), QUESTIONS, strict=False):
        assert isinstance(asked.prefix, str)
        context = scorer.tokenizer.of_text(asked.prefix)
        for one in result.continuations:
            ids = torch.tensor([[*context, *one.tokens]])
            with torch.inference_mode():
                logprobs = engine._model(ids).logits[0].log_softmax(-1)
            expected = [float(logprobs[len(context) - 1 + i, token]) for i, token in enumerate(one.tokens)]
            assert one.token_logprobs == pytest.approx(expected, abs=TIE_NATS)
            assert one.logprob == pytest.approx(sum(expected), abs=TIE_NATS)
            greedy_ids = logprobs[len(context) - 1 : -1].argmax(-1).tolist()
            assert one.greedy_matches == tuple(a == b for a, b in zip(one.tokens, greedy_ids, strict=True))


@both_engines
def test_what_questions_share_is_read_once(scorer: Scorer) -> None:
    results(scorer, QUESTIONS)
    for result in results(scorer, again(QUESTIONS)):
        assert result.cached_tokens > len(EXAMPLES.split())


@both_engines
def test_a_text_in_small_steps_has_the_scores_of_one_in_large_steps(
    scorer: Scorer, opened: Callable[[str], Engine], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*QUESTIONS[:2], ScoreRequest(prefix="", continuations=(LONG_TEXT,), is_rolling=True)]
    whole = results(scorer, asked)
    scorer.close()
    monkeypatch.setattr(prefill_chunk, "STEP_WORK", 1.0)
    slow = opened(request.node.callspec.params["scorer"])
    if isinstance(slow, GgufEngine):
        monkeypatch.setattr(slow, "_prompt_rows", 16)
    slow_scorer = slow.open_scorer()
    try:
        assert slow_scorer.backend.step_tokens < 128
        cut = results(slow_scorer, again(asked), is_shared=True)
    finally:
        slow_scorer.close()
    assert max(differences(whole[:2], cut[:2])) < TIE_NATS
    for a, b in zip(whole[2].continuations[0].token_logprobs, cut[2].continuations[0].token_logprobs, strict=True):
        assert a == pytest.approx(b, abs=TIE_NATS)


@every_kind
def test_a_text_longer_than_the_context_is_scored_in_windows(scorer: Scorer) -> None:
    (result,) = results(scorer, [ScoreRequest(prefix="", continuations=(LONG_TEXT,), is_rolling=True)])
    (score,) = result.continuations
    assert list(score.tokens) == scorer.tokenizer.of_piece(LONG_TEXT)
    assert len(score.tokens) > OPTIONS.n_ctx
    assert len(score.token_logprobs) == len(score.tokens)
    assert score.logprob == pytest.approx(sum(score.token_logprobs))


@both_engines
def test_the_likeliest_tokens_and_given_ones_are_told_place_by_place(scorer: Scorer) -> None:
    (asked,) = results(scorer, [ScoreRequest(prefix="hello", continuations=(" one two",), top_k=4)])
    (score,) = asked.continuations
    at = tuple(place.ids for place in score.top)
    (compared,) = results(scorer, [ScoreRequest(prefix="hello", continuations=(score.tokens,), at=at)])
    for place, likeliest in enumerate(score.top):
        assert list(likeliest.logprobs) == sorted(likeliest.logprobs, reverse=True)
        assert compared.continuations[0].at[place] == pytest.approx(likeliest.logprobs, abs=TIE_NATS)
        is_first = likeliest.ids[0] == score.tokens[place]
        assert is_first == score.greedy_matches[place]


@both_engines
def test_a_conversation_is_scored_behind_its_template(scorer: Scorer) -> None:
    chat = (Message("system", "one"), Message("user", "two <|im_end|> three"))
    (result,) = results(scorer, [ScoreRequest(prefix=chat, continuations=("one", "two"))])
    rendered = scorer.tokenizer.template
    assert rendered.is_present and result.prefix_tokens > 8
    assert "two <|im_end|> three" in result.prompt and len(result.prompt) > len("one two <|im_end|> three")
    # The same texts without the template are another prefix.
    (plain,) = results(scorer, [ScoreRequest(prefix="two three", continuations=("one", "two"))])
    assert plain.prefix_tokens < result.prefix_tokens
    assert plain.prompt == ""


@both_engines
def test_a_request_that_cannot_be_scored_fails_alone(scorer: Scorer) -> None:
    bad = ScoreRequest(prefix="hello " * 400, continuations=(" one",))
    good, failed, other = outcomes(scorer, [QUESTIONS[0], bad, QUESTIONS[1]])
    assert isinstance(good, ScoreResult) and isinstance(other, ScoreResult)
    assert isinstance(failed, Failed) and failed.error_type == "ContextOverflowError"


@both_engines
def test_a_cancelled_request_ends_and_the_others_go_on(scorer: Scorer) -> None:
    asked = again(QUESTIONS)
    for one in asked:
        scorer.submit(one)
    events = scorer.step(is_shared=True)
    scorer.cancel(asked[3].id)
    scorer.cancel("nobody")
    while scorer.is_busy:
        events += scorer.step(is_shared=True)
    ends = {event.request_id: event for event in events}
    assert isinstance(ends[asked[3].id], Finished)
    assert len(ends) == len(events) == len(asked)


@both_engines
def test_answers_are_written_beside_scores_and_neither_changes(
    scorer: Scorer, opened: Callable[[str], Engine], request: pytest.FixtureRequest
) -> None:
    engine = opened(request.node.callspec.params["scorer"])
    (before,) = answer(engine, greedy("hello one", max_tokens=8))
    alone = results(scorer, QUESTIONS)
    asked = greedy("hello one", max_tokens=8)
    engine.submit(asked)
    for one in again(QUESTIONS):
        scorer.submit(one)
    events: list[Event] = []
    while engine.is_busy or scorer.is_busy:
        events += engine.step() if engine.is_busy else []
        events += scorer.step(is_shared=True) if scorer.is_busy else []
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    scored = [ScoreResult.from_dict(event.result) for event in events if isinstance(event, Scored)]
    assert text == before.text
    assert sorted(one.logprob for r in scored for one in r.continuations) == pytest.approx(
        sorted(one.logprob for r in alone for one in r.continuations), abs=TIE_NATS
    )


@pytest.mark.parametrize("scorer", ["mamba"], indirect=True)
def test_a_model_that_is_scored_text_by_text_says_so(scorer: Scorer) -> None:
    (result,) = results(scorer, QUESTIONS[:1])
    assert ONE_BY_ONE in result.notes


def test_values_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    engine = PyTorchEngine(str(make_checkpoint(tmp_path / "broken")), OPTIONS)
    with torch.no_grad():
        next(engine._model.parameters()).fill_(float("nan"))
    scorer = engine.open_scorer()
    (failed,) = outcomes(scorer, QUESTIONS[:1])
    scorer.close()
    engine.close()
    assert isinstance(failed, Failed) and "no numbers" in failed.message
