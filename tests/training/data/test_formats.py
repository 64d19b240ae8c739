from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.training.data.chats import Chat, PreferencePair, from_dict, to_dict
from multi_llm_comparator.training.data.dataset import Refused, open_dataset
from multi_llm_comparator.training.data.detection import detect
from multi_llm_comparator.training.data.formats import examples_of
from multi_llm_comparator.training.data.spec import ColumnMapping, DataSpec
from multi_llm_comparator.training.data.turns import Unusable
from tests.support.material import real

ASKED = (Message("user", "hi"), Message("assistant", "hello"))
USER, GOOD, BAD = (
    {"role": role, "content": text} for role, text in (("user", "hi"), ("assistant", "good"), ("assistant", "bad"))
)
PAIR = PreferencePair((Message("user", "hi"),), "good", "bad", "")


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "hi", "chosen": "good", "rejected": "bad"},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": [USER], "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"question": "hi", "chosen": "good", "rejected": "bad"},
    ],
)
def test_pairs_say_the_same_with_the_prompt_beside_them_or_in_them(record: dict[str, Any]) -> None:
    assert examples_of(record, "preference") == [PAIR]
    assert detect([record], "auto", None).is_preference


def test_a_pair_is_two_chats_to_the_tokenizer() -> None:
    better, worse = PAIR.sides
    assert (better.messages[-1].content, worse.messages[-1].content, better.learnt) == ("good", "bad", (1,))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"chosen": [USER, GOOD], "rejected": [USER, GOOD]}, "must be one answer"),
        ({"prompt": "hi", "chosen": "good", "rejected": ""}, "'rejected' must be one answer"),
        ({"prompt": "hi", "chosen": [GOOD, USER, GOOD], "rejected": "bad"}, "'chosen' must be one answer"),
        ({"prompt": "hi", "chosen": "good"}, "not both"),
        ({"prompt": "", "chosen": "good", "rejected": "bad"}, "must be one answer|before the user asks"),
    ],
)
def test_a_pair_without_two_answers_is_refused(record: dict[str, Any], why: str) -> None:
    with pytest.raises(Unusable, match=why):
        examples_of(record, "preference")


@pytest.mark.parametrize(
    ("rows", "form", "reason"),
    [
        ([{"messages": [USER, GOOD]}] * 3, "messages", "messages with role/content in 3 of 3 rows"),
        (
            [{"conversations": [{"from": "human", "value": "hi"}]}],
            "sharegpt",
            "conversations with from/value in 1 of 1",
        ),
        ([{"conversations": [USER, GOOD]}], "messages", "in 1 of 1"),
        ([{"instruction": "a", "output": "b"}, {"x": 1}], "alpaca", "instruction with an output in 1 of 2 rows"),
        ([{"instruction": "a", "context": "b", "response": "c"}], "alpaca", "in 1 of 1"),
        ([{"question": "a", "answer": "b"}], "prompt_completion", "a prompt with a completion in 1 of 1"),
        ([{"foo": "a", "bar": "b"}] * 2, "auto", "none of the known forms in 2 rows"),
    ],
)
def test_the_form_is_found_out_with_the_reason(rows: list[dict[str, Any]], form: str, reason: str) -> None:
    found = detect(rows, "auto", None)
    assert found.format == form
    assert reason in found.reason
    assert found.needs_mapping == (form == "auto")


def test_columns_that_no_form_has_are_mapped() -> None:
    row = {"frage": "hi", "mehr": "there", "antwort": "hello", "meta": {"lang": "de"}}
    mapping = ColumnMapping(user=("frage", "mehr"), assistant="antwort", system_text="Be brief", system="meta.lang")
    (chat,) = examples_of(row, "columns", mapping)
    assert isinstance(chat, Chat)
    assert [(m.role, m.content) for m in chat.messages] == [
        ("system", "de"), ("user", "hi\nthere"), ("assistant", "hello"),
    ]  # fmt: skip
    turns = ColumnMapping(conversation="talk", role_key="who", content_key="says", system_text="Be brief")
    (chat,) = examples_of({"talk": [{"who": "user", "says": "hi"}, {"who": "gpt", "says": "hello"}]}, "columns", turns)
    assert isinstance(chat, Chat)
    assert chat.messages == (Message("system", "Be brief"), *ASKED)
    (pair,) = examples_of({"q": "hi", "a": "good", "b": "bad"}, "columns",
                          ColumnMapping(user=("q",), assistant="a", rejected="b"))  # fmt: skip
    assert pair == PAIR
    with pytest.raises(Unusable, match="no column 'antwort'"):
        examples_of({"frage": "hi", "mehr": ""}, "columns", mapping.model_copy(update={"system": None}))


def test_a_cell_may_hold_a_conversation_as_json() -> None:
    (chat,) = examples_of({"messages": json.dumps([USER, GOOD])}, "auto")
    assert isinstance(chat, Chat)
    assert chat.learnt == (1,)
    with pytest.raises(Unusable, match="is not JSON"):
        examples_of({"messages": "[{"}, "auto")


def test_several_answers_to_one_instruction_are_several_chats() -> None:
    row = {
        "instruction": "Turn it round",
        "instances": [{"input": "ab", "output": "ba"}, {"input": "c", "output": "c"}],
    }
    assert [chat.question for chat in examples_of(row, "auto")] == ["Turn it round\nab", "Turn it round\nc"]


@pytest.mark.parametrize("example", [Chat(ASKED, (1,), "x, line 1", 1, "g"), PAIR])
def test_examples_come_back_from_json(example: Chat | PreferencePair) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(example)))) == example


@pytest.mark.parametrize(
    "path", real("instruction", "mllm_demo.json") + real("instruction", "glaive_toolcall_en_demo.json")
)
def test_published_rows_with_images_or_tools_are_refused_one_by_one(path: Path) -> None:
    found = list(open_dataset(DataSpec(source=str(path))))
    assert len(found) in (6, 300)
    assert {row.rule for row in found if isinstance(row, Refused)} == {"beyond_text"}
    assert all(isinstance(row, Refused) for row in found)


@pytest.mark.parametrize("path", real("instruction_stanford_alpaca", "seed_tasks.jsonl"))
def test_the_published_seed_tasks_are_read_whole(path: Path) -> None:
    assert sum(isinstance(found, Chat) for found in open_dataset(DataSpec(source=str(path)))) == 175


def test_a_data_set_of_the_hub_must_have_been_fetched() -> None:
    with pytest.raises(DocumentError, match="on the Hub; fetch it first"):
        open_dataset(DataSpec(source="hf:org/data"))
