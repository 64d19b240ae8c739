"""A reproducible request gets the same tokens alone or in company, cold or warm, with however many threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
import torch

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Started
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from multi_llm_comparator.inferencers.pytorch_sampling import RowSampler, StepSampler
from tests.support.requests import run, text_of
from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer

N_CTX = 512
PROMPT = " ".join(f"t{(7 * i + 3) % 300}" for i in range(40))
TOKENS = 12
# Threads that share their cores with other tests wait for each other; a float32 product of one row is what they divide.
KINDS = [
    ("llama", torch.bfloat16, 1, {}),
    ("llama", torch.float32, 2, {}),
    ("gemma2", torch.bfloat16, 1, {}),
    ("gemma3_text", torch.bfloat16, 1, {"sliding_window": 8}),
    ("mamba", torch.float32, 1, {}),
]
PARAMETERS: list[dict[str, Any]] = [
    {"temperature": 0, "repeat_penalty": 1.1},
    {"temperature": 1.0, "top_k": 0, "top_p": 0.95, "seed": 7},
]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{str(kind[1])[6:]}")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyTorchEngine]:
    architecture, dtype, n_threads, changes = request.param
    # Wide enough to be computed by several threads, and near ties: what is rounded otherwise shows soon.
    sizes = {} if architecture == "mamba" else {"hidden_size": 256, "intermediate_size": 768}
    settings = {"initializer_range": 0.08, **sizes, **changes}
    path = tmp_path_factory.mktemp(architecture)
    make_checkpoint(path, architecture, dtype=dtype, tokenizer=make_word_tokenizer(), **settings)
    engine = PyTorchEngine(str(path), LoadOptions(n_ctx=N_CTX, n_threads=n_threads, use_gpu=False))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def first_texts(engine: PyTorchEngine) -> list[str]:
    """What an engine that has done nothing yet answers, by parameters."""
    texts = [alone(engine, ask(**parameters)) for parameters in PARAMETERS]
    assert all(len(text.split()) == TOKENS for text in texts)
    return texts


def ask(prompt: str = PROMPT, *, reproducible: bool = True, **parameters: Any) -> GenerationRequest:
    settings = {"max_tokens": TOKENS, "n_ctx": N_CTX, "n_threads": 2, "reproducible": reproducible} | parameters
    return GenerationRequest(messages=(Message("user", prompt),), config=ModelConfig(**settings))


def others(*, reproducible: bool, count: int = 3) -> list[GenerationRequest]:
    """Neighbours that begin alike, at other lengths and with other parameters."""
    prompts = (PROMPT, f"{PROMPT} t5 t6", " ".join(PROMPT.split()[:21]))
    settings: list[dict[str, Any]] = [
        {"temperature": 0},
        {"temperature": 1.0, "seed": 3, "top_k": 0},
        {"temperature": 0.7, "seed": 4},
    ]
    return [
        ask(prompt, reproducible=reproducible, **parameters)
        for prompt, parameters, _ in zip(cycle(prompts), settings, range(count), strict=False)
    ]


def alone(engine: PyTorchEngine, request: GenerationRequest) -> str:
    return text_of(run(engine, request), request)


def warm(engine: PyTorchEngine, request: GenerationRequest) -> str:
    run(engine, *others(reproducible=False), *others(reproducible=True))
    return alone(engine, request)


def beside_others(engine: PyTorchEngine, request: GenerationRequest) -> str:
    company = others(reproducible=False)
    return text_of(run(engine, company[0], request, *company[1:]), request)


def beside_reproducible_ones(engine: PyTorchEngine, request: GenerationRequest) -> str:
    company = others(reproducible=True)
    return text_of(run(engine, *company[:2], request, company[2]), request)


def beside_both_kinds(engine: PyTorchEngine, request: GenerationRequest) -> str:
    company = [*others(reproducible=True, count=1), *others(reproducible=False, count=2)]
    return text_of(run(engine, *company, request), request)


def joining_late(engine: PyTorchEngine, request: GenerationRequest) -> str:
    """The others write already when it comes, one of them is stopped, and others come while it writes."""
    company = others(reproducible=False)
    engine.submit(company[0])
    engine.submit(company[1])
    events = [event for _ in range(6) for event in engine.step()]
    engine.submit(request)
    for number in range(6):
        if number == 2:
            engine.cancel(company[0].id)
        if number == 4:
            engine.submit(company[2])
        events += engine.step()
    return text_of(events + run(engine), request)


def after_one_that_was_stopped(engine: PyTorchEngine, request: GenerationRequest) -> str:
    stopped = ask()
    engine.submit(stopped)
    for _ in range(9):
        engine.step()
    engine.cancel(stopped.id)
    return alone(engine, request)


def with_changing_threads(engine: PyTorchEngine, request: GenerationRequest) -> str:
    engine.set_threads(1)
    engine.submit(request)
    events, shares = [], cycle((2, 1, 1))
    while engine.is_busy:
        events += engine.step()
        engine.set_threads(next(shares))
    return text_of(events, request)


SITUATIONS = [
    alone,
    warm,
    beside_others,
    beside_reproducible_ones,
    beside_both_kinds,
    joining_late,
    after_one_that_was_stopped,
    with_changing_threads,
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_the_tokens_are_the_same(
    engine: PyTorchEngine, first_texts: list[str], situation: Callable[[PyTorchEngine, GenerationRequest], str]
) -> None:
    for parameters, text in zip(PARAMETERS, first_texts, strict=True):
        assert situation(engine, ask(**parameters)) == text


def test_a_reproducible_request_reads_its_whole_prompt(engine: PyTorchEngine) -> None:
    run(engine, ask(reproducible=False, temperature=0))
    request = ask(temperature=0)
    (started,) = (event for event in run(engine, request) if isinstance(event, Started))
    assert started.cached_tokens == 0


def test_a_seed_that_was_drawn_is_told_and_gives_the_same_text(engine: PyTorchEngine) -> None:
    first = ask(temperature=1.0, top_k=0)
    events = run(engine, first, *others(reproducible=False))
    seed = next(e.seed for e in events if isinstance(e, Started) and e.request_id == first.id)
    assert alone(engine, ask(temperature=1.0, top_k=0, seed=seed)) == text_of(events, first)


def test_the_engines_threads_are_as_they_were_afterwards(engine: PyTorchEngine) -> None:
    engine.set_threads(1)
    run(engine, ask(temperature=0))
    assert torch.get_num_threads() == 1


def test_of_equally_likely_tokens_the_same_is_taken_whoever_is_there() -> None:
    """In bfloat16 the two likeliest tokens are equal now and then."""
    logits = torch.zeros(3, 5000)
    logits[:, [17, 901, 4242]] = 3.0
    greedy = ModelConfig(temperature=0, repeat_penalty=1.0, reproducible=True)
    wide = ModelConfig(temperature=1.0, top_k=0, repeat_penalty=1.0)

    def pick(*configs: ModelConfig) -> list[int | None]:
        rows = [RowSampler(config, 1) for config in configs]
        return StepSampler(rows, [[] for _ in rows], torch.device("cpu")).pick(logits[: len(rows)].clone())

    assert pick(greedy) == [17]
    assert pick(greedy, wide, wide)[0] == pick(wide, greedy, wide)[1] == 17
    plain = ModelConfig(temperature=0, repeat_penalty=1.0)
    assert pick(plain, wide)[0] == 17


def test_a_draw_does_not_depend_on_how_many_tokens_the_neighbours_look_at() -> None:
    logits = torch.randn(2, 5000, generator=torch.Generator().manual_seed(5)).to(torch.bfloat16)
    narrow = ModelConfig(temperature=0.9, top_k=40, reproducible=True)
    wide = ModelConfig(temperature=1.5, top_k=0)
    for seed in range(50):
        alone_ = StepSampler([RowSampler(narrow, seed)], [[1]], torch.device("cpu")).pick(logits[:1].clone())
        rows = [RowSampler(wide, 1), RowSampler(narrow, seed)]
        both = StepSampler(rows, [[1], [1]], torch.device("cpu")).pick(logits.flip(0).clone())
        assert both[1] == alone_[0]
