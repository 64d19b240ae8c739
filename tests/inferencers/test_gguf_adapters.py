"""GGUF models with LoRA adapters: each answer is the one of the merged model, whoever is decoded beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import pytest

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.core.events import Event, Failed, Scored, TextDelta
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.inferencers.adapted_scorers import AdaptedScorers
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.gguf_adapter_file import write_gguf_adapter
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.services.scan.adapters import gguf_base
from tests.support.adapters import ATTENTION, make_adapter, merged
from tests.support.requests import Reply, greedy
from tests.support.requests import answer as answers
from tests.support.tiny_checkpoint import change_config, make_checkpoint

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, parallel=8)
PROMPT = "What is three plus four?"
LONGER = "The quick brown fox jumps over the lazy dog. " * 3


class Made:
    """A base in F32, three adapters of it as GGUF files, and the base with each merged in."""

    def __init__(self, folder: Path, architecture: str = "llama") -> None:
        self.folder = folder
        self.checkpoint = make_checkpoint(folder / "base", architecture)
        change_config(self.checkpoint, eos_token_id=390)
        self.base = export_gguf(self.checkpoint, folder / "base.gguf", "F32")
        self.peft = [
            make_adapter(folder / "all", self.checkpoint, seed=21),
            make_adapter(folder / "attention", self.checkpoint, seed=2, rank=2, targets=ATTENTION),
            make_adapter(
                folder / "ranks", self.checkpoint, seed=3, ranks={"down_proj": 6}, alpha_pattern={"down_proj": 12}
            ),
        ]
        self.info = ModelInfo("", "base", str(self.base), ModelType.GGUF, 0)
        self.adapters = [self.written(adapter) for adapter in self.peft]

    def written(self, adapter: Path) -> Path:
        return write_gguf_adapter(adapter, gguf_base(self.info), self.folder / f"{adapter.name}-lora.gguf")

    def merged(self, number: int) -> Path:
        out = self.folder / f"merged-{number}.gguf"
        if not out.exists():
            export_gguf(merged(self.checkpoint, self.peft[number], self.folder / f"merged-{number}"), out, "F32")
        return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("gguf-adapters"))


@pytest.fixture
def engine(made: Made) -> Iterator[GgufEngine]:
    engine = GgufEngine(str(made.base), OPTIONS)
    yield engine
    engine.close()


def ask(adapter: Path | None, text: str = PROMPT, **config: Any) -> GenerationRequest:
    return replace(greedy(text, **config), adapter=str(adapter) if adapter else "")


def answer(engine: GgufEngine, request: GenerationRequest) -> Reply:
    return answers(engine, request)[0]


def alone(path: Path) -> str:
    engine = GgufEngine(str(path), OPTIONS)
    try:
        return answer(engine, ask(None)).text
    finally:
        engine.close()


def test_each_answer_is_that_of_the_model_with_its_adapter_merged_in(made: Made, engine: GgufEngine) -> None:
    wanted = [alone(made.base), *(alone(made.merged(number)) for number in range(3))]
    assert len(set(wanted)) == 4 and min(map(len, wanted)) > 4
    assert [answer(engine, ask(adapter)).text for adapter in (None, *made.adapters)] == wanted
    mixed = [ask(adapter) for adapter in (*made.adapters, None, made.adapters[0])]
    assert [reply.text for reply in answers(engine, *mixed)] == [*wanted[1:], wanted[0], wanted[1]]


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
def test_rows_change_places_only_where_the_architecture_wants_it(tmp_path: Path, architecture: str) -> None:
    other = Made(tmp_path, architecture)
    engine = GgufEngine(str(other.base), OPTIONS)
    assert answer(engine, ask(other.adapters[0])).text == alone(other.merged(0))
    engine.close()


def test_a_scale_says_how_much_of_an_adapter_is_added(made: Made, engine: GgufEngine) -> None:
    half = merged(made.checkpoint, made.peft[0], made.folder / "half", scale=0.5)
    wanted = alone(export_gguf(half, made.folder / "half.gguf", "F32"))
    scales = [ask(made.adapters[0], adapter_scale=scale) for scale in (0.5, 0.0, 1.0)]
    full = answer(engine, ask(made.adapters[0])).text
    assert [reply.text for reply in answers(engine, *scales)] == [wanted, alone(made.base), full]


def test_what_one_adapter_has_read_is_not_used_for_another(made: Made, engine: GgufEngine) -> None:
    first = answer(engine, ask(made.adapters[0], LONGER))
    for other in (ask(None, LONGER), ask(made.adapters[1], LONGER), ask(made.adapters[0], LONGER, adapter_scale=0.5)):
        assert answer(engine, other).started.cached_tokens == 0
    again = answer(engine, ask(made.adapters[0], LONGER))
    assert (again.started.cached_tokens > 0, again.text) == (True, first.text)


def test_the_same_prompt_with_two_adapters_at_once_is_read_for_each(made: Made, engine: GgufEngine) -> None:
    wanted = [answer(engine, ask(adapter, LONGER)).text for adapter in (made.adapters[0], None, made.adapters[1])]
    fresh = GgufEngine(str(made.base), OPTIONS)
    together = [ask(adapter, LONGER) for adapter in (made.adapters[0], None, made.adapters[1]) for _ in range(2)]
    assert [reply.text for reply in answers(fresh, *together)] == [text for text in wanted for _ in range(2)]
    fresh.close()


def test_one_adapters_answers_are_written_for_a_while_before_the_next_ones(
    made: Made, engine: GgufEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multi_llm_comparator.inferencers.gguf_engine.GROUP_S", 3600.0)
    pair = [ask(adapter) for adapter in made.adapters[:2]]
    for request in pair:
        engine.submit(request)
    events = [event for _ in range(3) for event in engine.step()]
    writers = [event.request_id for event in events if isinstance(event, TextDelta)]
    assert all(writers.count(request.id) > 4 for request in pair)
    assert sum(one != other for one, other in pairwise(writers)) == 1


def test_a_reproducible_answer_keeps_its_adapter_to_itself(made: Made, engine: GgufEngine) -> None:
    requests = [ask(adapter, LONGER, reproducible=True) for adapter in (made.adapters[0], made.adapters[1], None)]
    wanted = [answer(engine, request).text for request in requests]
    assert len(set(wanted)) == 3
    again = [replace(request, id=f"again {n}") for n, request in enumerate(requests)]
    mixed = answers(engine, ask(made.adapters[2]), *again)
    assert [reply.text for reply in mixed[1:]] == wanted


def test_texts_are_scored_with_an_adapter_as_by_its_merged_model(made: Made, engine: GgufEngine) -> None:
    whole = GgufEngine(str(made.merged(0)), OPTIONS)
    wanted = scored(AdaptedScorers(whole.open_scorer), None)
    scorers = AdaptedScorers(engine.open_scorer)
    # More than there are scorers at a time: one that was closed is opened again.
    order = [made.adapters[0], None, made.adapters[1], made.adapters[2], made.adapters[0]]
    found = [scored(scorers, adapter) for adapter in order]
    assert found[0] == pytest.approx(wanted, abs=1e-3) == found[4]
    assert abs(found[0][0] - found[1][0]) > 0.1
    assert answer(engine, ask(None)).text == alone(made.base)
    scorers.close()
    whole.close()


def scored(scorers: AdaptedScorers, adapter: Path | None) -> list[float]:
    path = str(adapter) if adapter else ""
    scorers.submit(ScoreRequest(prefix=tuple(range(20)), continuations=((5,), (7, 8, 9)), adapter=path))
    events: list[Event] = []
    while scorers.is_busy:
        events += scorers.step(is_shared=False)
    (event,) = events
    assert isinstance(event, Scored), event
    return [one["logprob"] for one in event.result["continuations"]]


def test_adapters_leave_when_there_is_no_room_for_one_more(made: Made, engine: GgufEngine) -> None:
    bank = engine._adapters
    answer(engine, ask(made.adapters[0]))
    bank.max_bytes = 2 * bank.size_bytes  # of the three that follow, two at a time
    for adapter in (*made.adapters[1:], made.adapters[2], made.adapters[0]):
        assert answer(engine, ask(adapter)).reason == "length"
    assert bank.size_bytes <= bank.max_bytes
    bank.max_bytes = 10
    end = answer(engine, ask(made.adapters[1])).end
    assert isinstance(end, Failed) and "may take" in end.message


def test_an_adapter_of_another_model_is_refused_before_and_by_llama_cpp(
    made: Made, engine: GgufEngine, tmp_path: Path
) -> None:
    other = Made(tmp_path, "qwen2")
    end = answer(engine, ask(other.adapters[0])).end
    assert isinstance(end, Failed) and "choose the base" in end.message
    wide = make_checkpoint(tmp_path / "wide", hidden_size=32, head_dim=8)
    with pytest.raises(ModelLoadError, match="made for another model"):
        made.written(make_adapter(tmp_path / "wide-lora", wide))
    assert answer(engine, ask(None)).reason == "length"


def test_what_has_no_gguf_form_is_refused_with_its_reason(made: Made, tmp_path: Path) -> None:
    info = replace(gguf_base(made.info), architecture="mamba")
    with pytest.raises(UnsupportedModelError, match="convert_lora_to_gguf"):
        write_gguf_adapter(made.peft[0], info, tmp_path / "no.gguf")
    matrices = {name: shape for name, shape in gguf_base(made.info).matrices.items() if "attn_q" not in name}
    with pytest.raises(UnsupportedModelError, match="no matrix of its own"):
        write_gguf_adapter(made.peft[0], replace(gguf_base(made.info), matrices=matrices), tmp_path / "no.gguf")


def test_the_file_is_what_llama_cpp_documents(made: Made) -> None:
    fields = gguf.GGUFReader(made.adapters[0])
    told = {name: field.contents() for name, field in fields.fields.items()}
    assert (told["general.type"], told["adapter.type"], told["general.architecture"]) == ("adapter", "lora", "llama")
    assert told["adapter.lora.alpha"] == 8.0
    shapes = {tensor.name: tuple(tensor.shape) for tensor in fields.tensors}
    assert shapes["blk.0.ffn_down.weight.lora_a"] == (96, 4)
    assert shapes["blk.0.ffn_down.weight.lora_b"] == (4, 64)
    patterned = gguf.GGUFReader(made.adapters[2])
    assert patterned.fields["adapter.lora.alpha"].contents() in (0.0, 8.0)
