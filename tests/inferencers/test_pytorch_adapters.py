"""PyTorch models with LoRA adapters: each row of a batch answers as the merged checkpoint of its adapter would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file, save_file

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Scored
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.inferencers.adapted_scorers import AdaptedScorers
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_adapters import AdapterBank, adapters_of
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.support.adapters import ATTENTION, make_adapter, merged
from tests.support.requests import Reply, greedy
from tests.support.requests import answer as answers
from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer

OPTIONS = LoadOptions(n_ctx=256, use_gpu=False, parallel=8)
PROMPT = " ".join(f"t{(7 * i) % 300}" for i in range(12))
LONGER = " ".join(f"t{(11 * i) % 300}" for i in range(70))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("base"), tokenizer=make_word_tokenizer())


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three of them: of other ranks, of other layers, one with a rank of its own for one kind of layer."""
    folder = tmp_path_factory.mktemp("adapters")
    return [
        make_adapter(folder / "all", base, seed=1),
        make_adapter(folder / "attention", base, seed=2, rank=2, targets=ATTENTION),
        make_adapter(folder / "ranks", base, seed=3, rank=4, ranks={"down_proj": 6}, alpha_pattern={"down_proj": 12}),
    ]


@pytest.fixture
def engine(base: Path) -> Iterator[PyTorchEngine]:
    engine = PyTorchEngine(str(base), OPTIONS)
    yield engine
    engine.close()


def ask(adapter: Path | None, text: str = PROMPT, **config: Any) -> GenerationRequest:
    return replace(greedy(text, n_ctx=256, **config), adapter=str(adapter) if adapter else "")


def answer(engine: PyTorchEngine, request: GenerationRequest) -> Reply:
    return answers(engine, request)[0]


def texts(engine: PyTorchEngine, *requests: GenerationRequest) -> list[str]:
    return [reply.text for reply in answers(engine, *requests)]


def alone(folder: Path, *requests: GenerationRequest) -> list[str]:
    """What the model in ``folder`` says by itself."""
    engine = PyTorchEngine(str(folder), OPTIONS)
    try:
        return [answer(engine, replace(request, adapter="")).text for request in requests]
    finally:
        engine.close()


def failure(engine: PyTorchEngine, adapter: Path) -> str:
    end = answer(engine, ask(adapter)).end
    assert isinstance(end, Failed)
    return end.message


def test_each_row_answers_as_the_checkpoint_with_its_adapter_merged_in(
    base: Path, adapters: list[Path], engine: PyTorchEngine, tmp_path: Path
) -> None:
    wanted = [alone(base, ask(None))[0]]
    wanted += [alone(merged(base, adapter, tmp_path / adapter.name), ask(None))[0] for adapter in adapters]
    assert len(set(wanted)) == 4
    requests = [ask(adapter) for adapter in (None, *adapters)]
    assert [answer(engine, request).text for request in requests] == wanted
    mixed = [ask(adapter) for adapter in (*adapters, None, adapters[0])]
    assert texts(engine, *mixed) == [*wanted[1:], wanted[0], wanted[1]]


def test_an_adapter_adds_what_peft_adds(base: Path, adapters: list[Path]) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ids = torch.tensor([[5, 17, 200, 3, 44]])
    for adapter in adapters:
        reference = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
        model = AutoModelForCausalLM.from_pretrained(base).eval()
        bank = adapters_of(model)
        row = _Row(bank, adapter)
        with torch.inference_mode():
            wanted = reference(input_ids=ids).logits
            with bank.rows([row]):
                got = model(input_ids=ids).logits
        assert torch.allclose(got, wanted, atol=1e-4, rtol=1e-4)


def test_rank_stabilised_scaling_is_that_of_peft(base: Path, tmp_path: Path) -> None:
    plain = make_adapter(tmp_path / "plain", base, seed=4, rank=4, lora_alpha=16)
    stabilised = make_adapter(tmp_path / "rs", base, seed=4, rank=4, lora_alpha=8, use_rslora=True)
    engine = PyTorchEngine(str(base), OPTIONS)
    assert answer(engine, ask(plain)).text == answer(engine, ask(stabilised)).text
    engine.close()


def test_a_scale_says_how_much_of_an_adapter_is_added(
    base: Path, adapters: list[Path], engine: PyTorchEngine, tmp_path: Path
) -> None:
    half = alone(merged(base, adapters[0], tmp_path / "half", scale=0.5), ask(None))[0]
    plain, full = alone(base, ask(None))[0], answer(engine, ask(adapters[0])).text
    scales = [ask(adapters[0], adapter_scale=scale) for scale in (0.5, 0.0, 1.0)]
    assert texts(engine, *scales) == [half, plain, full]


def test_what_one_adapter_has_read_is_not_used_for_another(adapters: list[Path], engine: PyTorchEngine) -> None:
    first = answer(engine, ask(adapters[0], LONGER))
    assert first.started.cached_tokens == 0
    for other in (ask(None, LONGER), ask(adapters[1], LONGER), ask(adapters[0], LONGER, adapter_scale=0.5)):
        assert answer(engine, other).started.cached_tokens == 0
    again = answer(engine, ask(adapters[0], LONGER))
    assert (again.started.cached_tokens > 0, again.text) == (True, first.text)


def test_texts_are_scored_with_an_adapter_as_by_its_merged_checkpoint(
    base: Path, adapters: list[Path], engine: PyTorchEngine, tmp_path: Path
) -> None:
    whole = PyTorchEngine(str(merged(base, adapters[0], tmp_path / "merged")), OPTIONS)
    wanted, plain = scored(whole, None), scored(PyTorchEngine(str(base), OPTIONS), None)
    scorers = AdaptedScorers(engine.open_scorer)
    found = [scored(engine, adapter, scorers) for adapter in (adapters[0], None, adapters[1], adapters[2], adapters[0])]
    assert found[0] == pytest.approx(wanted, abs=1e-3) == found[4]
    assert found[1] == pytest.approx(plain, abs=1e-3)
    assert abs(found[0][0] - found[1][0]) > 0.1 and found[2] != found[1]
    scorers.close()
    whole.close()


def scored(engine: PyTorchEngine, adapter: Path | None, scorers: AdaptedScorers | None = None) -> list[float]:
    """Log-probabilities of three continuations, one of several tokens."""
    scorers = scorers or AdaptedScorers(engine.open_scorer)
    config = ModelConfig(n_ctx=256)
    scorers.submit(
        ScoreRequest(
            prefix=tuple(range(20)),
            continuations=((5,), (7, 8, 9), (11,)),
            config=config,
            adapter=str(adapter) if adapter else "",
        )
    )
    events: list[Event] = []
    while scorers.is_busy:
        events += scorers.step(is_shared=False)
    (event,) = events
    assert isinstance(event, Scored), event
    return [one["logprob"] for one in event.result["continuations"]]


def test_a_reproducible_answer_is_the_same_beside_others(adapters: list[Path], engine: PyTorchEngine) -> None:
    request = ask(adapters[0], LONGER, reproducible=True)
    wanted = answer(engine, request).text
    others = [ask(adapters[1]), ask(None), ask(adapters[2])]
    again = replace(request, id="again")
    assert texts(engine, *others, again)[-1] == wanted


def test_an_adapter_whose_file_changed_is_loaded_anew(base: Path, engine: PyTorchEngine, tmp_path: Path) -> None:
    place = make_adapter(tmp_path / "it", base, seed=7)
    before = answer(engine, ask(place)).text
    make_adapter(place, base, seed=8, rank=5)
    assert answer(engine, ask(place)).text != before


def test_adapters_leave_when_there_is_no_room_for_one_more(
    base: Path, adapters: list[Path], engine: PyTorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank: AdapterBank = engine._adapters
    answer(engine, ask(adapters[0]))
    bank.max_bytes = bank.size_bytes * 2
    for adapter in adapters:
        assert answer(engine, ask(adapter)).reason == "length"
    assert bank.size_bytes <= bank.max_bytes
    assert bank.paths[-1] == str(adapters[-1])
    bank.max_bytes = 10
    assert "may take" in failure(engine, make_adapter(adapters[0].parent / "new", base))


REFUSED = [
    ({"use_dora": True}, "DoRA"),
    ({"modules_to_save": ["lm_head"]}, "modules that were trained whole"),
    ({"bias": "all"}, "trained biases"),
    ({"init_lora_weights": "pissa_niter_4"}, "changes the base's weights"),
    ({"peft_type": "IA3"}, "only LoRA"),
    ({"alpha_pattern": {"(a+)+$": 1}}, "regular expression"),
    ({"r": "many"}, "'r' as a whole number"),
]


@pytest.mark.parametrize(("config", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_name(
    base: Path, engine: PyTorchEngine, tmp_path: Path, config: dict[str, Any], says: str
) -> None:
    assert says in failure(engine, make_adapter(tmp_path / "odd", base, **config))
    assert answer(engine, ask(None)).reason == "length"


def test_an_adapter_of_another_model_is_refused(engine: PyTorchEngine, base: Path, tmp_path: Path) -> None:
    other = make_checkpoint(tmp_path / "wide", tokenizer=make_word_tokenizer(), hidden_size=32, head_dim=8)
    assert "made for another model" in failure(engine, make_adapter(tmp_path / "wide-lora", other))


def test_damaged_matrices_are_refused(base: Path, engine: PyTorchEngine, tmp_path: Path) -> None:
    place = make_adapter(tmp_path / "it", base)
    file = place / "adapter_model.safetensors"
    tensors = load_file(file)
    half = {name: value for name, value in tensors.items() if "lora_B" not in name}
    save_file(half, file)
    assert "half of a pair" in failure(engine, place)
    save_file({**tensors, "base_model.model.lm_head.weight": next(iter(tensors.values()))}, file)
    assert "merge it" in failure(engine, place)
    broken = {name: value * float("nan") if i == 0 else value for i, (name, value) in enumerate(tensors.items())}
    save_file(broken, file)
    assert "no numbers" in failure(engine, place)
    file.write_bytes(file.read_bytes()[:-100])
    assert "damaged" in failure(engine, place)
    (place / "adapter_config.json").write_text(json.dumps([1]))
    assert "must hold an object" in failure(engine, place)


def test_pickled_matrices_are_read_as_matrices_or_not_at_all(base: Path, engine: PyTorchEngine, tmp_path: Path) -> None:
    place = make_adapter(tmp_path / "it", base)
    wanted = answer(engine, ask(place)).text
    file = place / "adapter_model.safetensors"
    matrices = {name: torch.from_numpy(value) for name, value in load_file(file).items()}
    file.unlink()
    torch.save(matrices, place / "adapter_model.bin")
    assert answer(engine, ask(place)).text == wanted
    (place / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    assert "refused" in failure(engine, place) or "not loaded" in failure(engine, place)


def test_models_that_are_decoded_row_by_row_take_adapters_too(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "slides", "mistral", tokenizer=make_word_tokenizer(), sliding_window=8)
    adapter = make_adapter(tmp_path / "lora", folder, seed=1)
    wanted = alone(merged(folder, adapter, tmp_path / "merged"), ask(None))[0]
    engine = PyTorchEngine(str(folder), OPTIONS)
    assert engine.info["decoder"] == "one by one"
    assert texts(engine, ask(None), ask(adapter))[1] == wanted
    engine.close()


class _Row:
    def __init__(self, bank: AdapterBank, adapter: Path) -> None:
        self.adapter = bank.take(str(adapter), 1.0, ())
