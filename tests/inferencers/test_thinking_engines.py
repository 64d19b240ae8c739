"""Engines whose model thinks, by its chat template: the thought is told apart, and ended where its budget is."""

from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import TextDelta, ThoughtDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.chat import NO_SWITCH, ChatTemplate
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.support import tiny_gguf
from tests.support.chat_templates import CHATML
from tests.support.requests import Reply, answer
from tests.support.thinking import THINKING_TEMPLATE
from tests.support.tiny_checkpoint import make_checkpoint, make_tokenizer

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, torch_dtype="float32")
ASKED = (Message("user", "hello"),)


@pytest.fixture(scope="module", params=["pytorch", "gguf"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("thinking")
    if request.param == "gguf":
        path = tiny_gguf.write_random(folder / "thinking.gguf", chat_template=THINKING_TEMPLATE)
        return GgufEngine(str(path), OPTIONS)
    make_checkpoint(folder / "thinking", tokenizer=make_tokenizer(THINKING_TEMPLATE))
    return PyTorchEngine(str(folder / "thinking"), OPTIONS)


def ask(engine: Engine, **config: Any) -> Reply:
    usual: dict[str, Any] = {"temperature": 0, "repeat_penalty": 1.0, "max_tokens": 40, **config}
    (reply,) = answer(engine, GenerationRequest(messages=ASKED, config=ModelConfig(**usual)))
    return reply


def thoughts(reply: Reply) -> list[ThoughtDelta]:
    return [event for event in reply.events if isinstance(event, ThoughtDelta)]


def test_a_thought_that_never_ends_is_no_answer(engine: Engine) -> None:
    reply = ask(engine)
    assert reply.text == ""
    assert "".join(event.text for event in thoughts(reply)).strip()
    assert thoughts(reply)[-1].tokens == 40


def test_a_budget_ends_the_thought_and_the_answer_follows(engine: Engine) -> None:
    free, bounded = ask(engine), ask(engine, thinking_budget=3)
    assert reply_thought(free).startswith(reply_thought(bounded))
    # The tokens of the closing tag come on top.
    assert thoughts(bounded)[-1].tokens < 40
    assert bounded.text
    assert "think>" not in bounded.text + reply_thought(bounded)


def reply_thought(reply: Reply) -> str:
    return "".join(event.text for event in thoughts(reply))


def test_thinking_can_be_switched_off(engine: Engine) -> None:
    reply = ask(engine, enable_thinking=False)
    assert not thoughts(reply)
    assert reply.text
    assert reply.started.prompt.endswith("<think>\n\n</think>\n\n")


def test_pieces_are_those_of_the_answer(engine: Engine) -> None:
    reply = ask(engine, thinking_budget=3, top_logprobs=1)
    pieces = [piece for event in reply.events if isinstance(event, TextDelta) for piece in event.pieces]
    assert len(pieces) == 40 - thoughts(reply)[-1].tokens


def rendered(source: str, *messages: Message, continue_final: bool = False, **config: Any) -> object:
    request = GenerationRequest(
        messages=messages,
        config=ModelConfig(**config),
        continue_final=continue_final,
    )
    return ChatTemplate(source).render(request)


def test_a_template_without_a_switch_says_so() -> None:
    assert rendered(CHATML, *ASKED, enable_thinking=True).notes == (NO_SWITCH,)  # type: ignore[attr-defined]
    assert rendered(THINKING_TEMPLATE, *ASKED, enable_thinking=True).notes == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "message", "ends", "is_open"),
    [
        (CHATML, Message("assistant", "so"), "assistant\nso", False),
        (CHATML, Message("assistant", "", thought="let me"), "<think>\nlet me", True),
        (CHATML, Message("assistant", "Yes", thought="let me"), "<think>\nlet me\n</think>\n\nYes", False),
        (CHATML, Message("assistant", "<think>hm"), "<think>hm", True),
        (THINKING_TEMPLATE, Message("assistant", "", thought="let me"), "assistant\n<think>\nlet me", True),
        (THINKING_TEMPLATE, Message("assistant", "Yes"), "<think>\n\n</think>\n\nYes", False),
        (THINKING_TEMPLATE, Message("assistant", "Yes", thought="hm"), "<think>\nhm\n</think>\n\nYes", False),
    ],
)
def test_a_begun_answer_goes_on_where_its_thought_was(source: str, message: Message, ends: str, is_open: bool) -> None:
    prompt = rendered(source, *ASKED, message, continue_final=True)
    assert prompt.text.endswith(ends)  # type: ignore[attr-defined]
    assert prompt.text.count("<think>") == ends.count("<think>")  # type: ignore[attr-defined]
    assert prompt.opens_thought is is_open  # type: ignore[attr-defined]


def test_thoughts_of_earlier_turns_reach_a_template_that_takes_them() -> None:
    earlier = Message("assistant", "Yes", thought="let me see")
    assert "(thought let me see)" in rendered(THINKING_TEMPLATE, *ASKED, earlier, *ASKED).text  # type: ignore[attr-defined]
