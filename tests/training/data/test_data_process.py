from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.core.exceptions import DocumentError, ModelLoadError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_load import load_checkpoint, load_tokenizer
from multi_llm_comparator.training.chat_rows import IGNORED, RowMaker
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.data_process import DataProcess
from multi_llm_comparator.training.data.dataset import read_instruction_data
from multi_llm_comparator.training.data.left_out import LeftOut
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.data.tokens import ModelTokens, pieces
from tests.support.first_tokenizer import needs_first_model, write_first_tokenizer

DEMO = Path(__file__).parents[3] / "models" / "pytorch" / "demo-small"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    rows = [{"prompt": f"What is {n} + 1?", "completion": f"{n} + 1 = {n + 1}"} for n in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"foo": 1}]), encoding="utf-8")
    return path


@pytest.fixture
async def process() -> AsyncIterator[DataProcess]:
    made = DataProcess()
    yield made
    await made.aclose()


@pytest.mark.slow
async def test_data_is_inspected_previewed_and_cleaned_outside_the_app(
    process: DataProcess, data: Path, tmp_path: Path
) -> None:
    spec = DataSpec(source=str(data))
    seen = await process.inspect(spec)
    assert seen["detection"]["reason"] == "a prompt with a completion in 30 of 31 rows"
    assert seen["sample"][0] == {"prompt": "What is 0 + 1?", "completion": "0 + 1 = 1"}
    assert seen["examples"][0]["messages"][1] == {"role": "assistant", "content": "0 + 1 = 1"}
    assert 20 < seen["about_rows"] < 45

    shown = await process.preview(spec, 1, str(DEMO), 256)
    (chat,) = read_instruction_data(data).chats[1:2]
    tokenizer, stop_ids = load_tokenizer(str(DEMO))
    (row,) = RowMaker(tokenizer, stop_ids, 256).rows(chat, LeftOut()).values()
    (pieces_of_row,) = shown["rows"]
    assert [learnt for _, learnt in pieces_of_row] == (row.labels != IGNORED).tolist()
    assert "".join(text for text, learnt in pieces_of_row if learnt).startswith("1 + 1 = 2")

    told: list[str] = []
    report = await process.clean(
        spec, tmp_path / "work", model_path=str(DEMO), max_tokens=256, on_progress=lambda phase, *_: told.append(phase)
    )
    assert (report["read"], report["kept"], report["rules"]["invalid"]["left_out"]) == (31, 30, 1)
    assert report["statistics"]["rows"] == report["train"]
    assert told[0] == "reading"

    with pytest.raises(DocumentError, match="no example number 100"):
        await process.preview(spec, 99, str(DEMO), 256)
    with pytest.raises(DocumentError, match="no such file or folder"):
        await process.inspect(DataSpec(source=str(tmp_path / "nothing")))
    broken = tmp_path / "broken.json"
    for text, why in (("[1, 2", "an object, .* 1[)]; correct it"), ("[", "after 0 entries"), ("", "has no rows")):
        broken.write_text(text)
        with pytest.raises(DocumentError, match=why):
            await process.inspect(DataSpec(source=str(broken)))
    with pytest.raises(ModelLoadError):
        await process.preview(spec, 0, str(tmp_path), 256)
    assert (await process.inspect(spec))["files"] == 1


@pytest.mark.cold
async def test_what_takes_too_much_memory_is_ended_and_said(data: Path) -> None:
    process = DataProcess(limit_bytes=lambda: 1_000_000)
    with pytest.raises(DocumentError, match=r"used .* MB of at most 1.0 MB"):
        await process.inspect(DataSpec(source=str(data)))
    await process.aclose()


@pytest.mark.cold
async def test_a_cancelled_question_ends_its_process(process: DataProcess, data: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    asked = asyncio.create_task(process.inspect(DataSpec(source=str(data))))
    while not (made := {child.pid for child in psutil.Process().children()} - before):
        await asyncio.sleep(0.02)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not any(psutil.pid_exists(pid) for pid in made)


def test_a_tokenizer_alone_says_what_the_loaded_model_says() -> None:
    loaded = load_checkpoint(str(DEMO), LoadOptions())
    tokenizer, stop_ids = load_tokenizer(str(DEMO))
    assert stop_ids == loaded.stop_ids
    assert tokenizer.get_vocab() == loaded.tokenizer.get_vocab()


@pytest.mark.parametrize("text", ["What is 2 + 3?", "a\nb  c", ""])
def test_the_pieces_of_a_preview_make_the_text(text: str) -> None:
    tokenizer, _ = load_tokenizer(str(DEMO))
    ids = tokenizer.encode(text, add_special_tokens=False)
    made = pieces(tokenizer, ids)
    assert len(made) == len(ids)
    assert "".join(made) == tokenizer.decode(ids)


@needs_first_model
def test_characters_of_several_tokens_stay_whole_in_a_real_vocabulary(tmp_path: Path) -> None:
    smol = write_first_tokenizer(tmp_path)
    tokenizer, _ = load_tokenizer(str(smol))
    text = "你好 👩‍🔬 naïve\n  x"
    ids = tokenizer.encode(text, add_special_tokens=False)
    made = pieces(tokenizer, ids)
    assert ("".join(made), len(made)) == (text, len(ids))
    reader = ModelTokens(smol, 512)
    chat = Chat(asked_and_answered(text), (1,), "here")
    (row,) = reader.preview(chat)
    assert "".join(piece.text for piece in row if piece.learnt) == f"{text}<|im_end|>"


def asked_and_answered(answer: str) -> tuple[Message, ...]:
    return Message("user", "hi"), Message("assistant", answer)
