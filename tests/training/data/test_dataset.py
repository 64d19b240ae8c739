from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.training.data import dataset
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.dataset import InstructionData, read_instruction_data
from multi_llm_comparator.training.data.left_out import MAX_REASONS, OTHER, LeftOut
from tests.support.material import OWN, real

ASKED = (Message("user", "hi"), Message("assistant", "hello"))


def written(folder: Path, *records: object) -> Path:
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def only(folder: Path, record: object) -> Chat:
    (chat,) = read_instruction_data(written(folder, record)).chats
    return chat


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "h"}, {"type": "text", "value": "i"}]},
                      {"role": "assistant", "content": "hello"}]},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
        {"instruction": "hi", "input": "", "output": "hello"},
        {"instruction": "hi", "output": "hello", "history": None},
        {"prompt": "hi", "completion": "hello"},
        {"prompt": [{"role": "user", "content": "hi"}], "completion": [{"role": "assistant", "content": "hello"}]},
    ],
)  # fmt: skip
def test_every_shape_says_the_same(tmp_path: Path, record: dict[str, Any]) -> None:
    chat = only(tmp_path, record)
    assert (chat.messages, chat.learnt) == (ASKED, (1,))


def test_alpaca_has_input_system_and_history(tmp_path: Path) -> None:
    record = {"instruction": "Add", "input": "1 and 2", "output": "3", "system": "Be brief", "history": [["a", "b"]]}
    chat = only(tmp_path, record)
    assert [(m.role, m.content) for m in chat.messages] == [
        ("system", "Be brief"), ("user", "a"), ("assistant", "b"), ("user", "Add\n1 and 2"), ("assistant", "3"),
    ]  # fmt: skip
    assert chat.learnt == (2, 4)


def test_what_a_prompt_says_and_what_weighs_nothing_is_not_learnt(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    again = [{"role": "user", "content": "and?"}]
    chat = only(tmp_path, {"prompt": turns + again, "completion": "good"})
    assert chat.learnt == (3,)
    weighed = [*turns[:1], {**turns[1], "loss_weight": 0.0}, *again, {"role": "assistant", "content": "good"}]
    assert only(tmp_path, {"messages": weighed}).learnt == (3,)
    weighed[1] = {**turns[1], "weight": 0}
    assert only(tmp_path, {"messages": weighed}).learnt == (3,)


def test_records_are_bounded_whatever_is_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MAX_ROWS", 3)
    with pytest.raises(DocumentError, match="more than 3 records"):
        read_instruction_data(written(tmp_path, *[{}] * 4))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, "no answer"),
        ({"messages": [{"role": "assistant", "content": "hello"}]}, "before the user asks"),
        ({"messages": [*({"role": m.role, "content": m.content} for m in ASKED), {"role": "system", "content": "s"}]},
         "system message stands behind"),
        ({"messages": [{"role": "tool", "content": "5"}]}, "is by 'tool'"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]}, "calls a tool"),
        ({"messages": [{"role": ["user"], "content": "hi"}]}, "is by"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "text": "x"}]}]}, "content of message 1"),
        ({"messages": [{"role": "user", "content": []}]}, "content of message 1"),
        ({"messages": [7]}, "number 1 is none"),
        ({"messages": "hi"}, "must be a list"),
        ({"instruction": "hi", "output": 7}, "'output' must be text"),
        ({"instruction": "hi", "output": "x", "history": [["a"]]}, "'history'"),
        ({"instruction": "look", "output": "a cat", "images": ["cat.png"]}, "'images'"),
        ({"instruction": " ", "output": "x"}, "before the user asks"),
        ({"instruction": "long", "output": "x" * 1_000_001}, "longer than"),
        ({"text": "hi"}, "has none of"),
        ({"image": "a.jpg", "conversations": [{"from": "human", "value": "<image>"}]}, "'image'"),
        ({"messages": [{"role": "user", "content": "look", "images": ["a.jpg"]}]}, "'images'"),
        ({"functions": [{}], "messages": [{"role": "user", "content": "hi"}]}, "'functions'"),
        ({"messages": [{"role": "assistant", "content": "", "function_call": {"name": "f"}}]}, "calls a tool"),
        ({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x", "weight": "0"}]},
         "'weight' of message 2 must be a number"),
        ({"messages": [{"role": "x" * 1_000_000, "content": "hi"}]}, "is by 'xxxxx"),
        ({"messages": [{"role": "user", "content": ""}] * 1001}, "1,000 messages"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_is_left_out_with_the_reason(tmp_path: Path, record: dict[str, Any], why: str) -> None:
    data = read_instruction_data(written(tmp_path, record, {"prompt": "hi", "completion": "hello"}))
    assert len(data.chats) == 1
    (reason,) = data.left_out
    assert why in reason.why
    assert "line 1" in reason.first
    assert len(str(reason)) < 500


def test_a_file_of_nothing_to_learn_says_why(tmp_path: Path) -> None:
    path = written(tmp_path, {"text": "a"}, {"text": "b"})
    with pytest.raises(DocumentError, match=r"2 left out: it has none of.*line 1"):
        read_instruction_data(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(DocumentError, match="it is empty"):
        read_instruction_data(path)


@pytest.mark.parametrize("content", ["{", "[1, 2]", "7", '{"a": 1}\nnot json', "[" * 100_000])
def test_a_broken_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DocumentError, match=r"data\.json"):
        read_instruction_data(path)


def test_reasons_beyond_a_few_are_counted_together() -> None:
    left_out = LeftOut()
    for number in range(MAX_REASONS + 5):
        left_out.add(f"reason {number}", f"line {number}")
    assert len(left_out) == MAX_REASONS + 5
    assert next((r.why, r.count) for r in left_out) == (OTHER, 5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "assistant", "text"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["messages", "role", "content", "type", "text", "conversations", "from", "value", "output",
                         "instruction", "history", "prompt", "completion", "system", "loss_weight"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(JSON, max_size=4))
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, records: Any) -> None:
    path = written(tmp_path_factory.mktemp("data"), *records)
    try:
        data = read_instruction_data(path)
    except DocumentError:
        return
    assert isinstance(data, InstructionData)
    assert all(chat.messages[index].role == "assistant" for chat in data.chats for index in chat.learnt)


WHOLE = [(OWN / "instructions.json", 7), (OWN / "typed_parts.jsonl", 4)]
WHOLE += [
    (path, chats)
    for name, chats in (("alpaca_en_demo.json", 999), ("identity.json", 91), ("v1_sft_demo.jsonl", 500))
    for path in real("instruction", name)
]


@pytest.mark.parametrize(("path", "chats"), WHOLE, ids=lambda value: getattr(value, "name", str(value)))
def test_data_sets_are_read_whole(path: Path, chats: Any) -> None:
    data = read_instruction_data(path)
    assert (len(data.chats), len(data.left_out)) == (chats, 0)


def test_of_chats_that_call_tools_the_others_are_learnt() -> None:
    data = read_instruction_data(OWN / "tool_calls.json")
    assert len(data.chats) == 1
    assert str(data.left_out).startswith("1 left out: it has 'tools', and only text is learnt")
