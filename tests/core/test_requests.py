from __future__ import annotations

import json

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.requests import GenerationRequest, Message


def test_a_request_survives_the_pipe() -> None:
    request = GenerationRequest(
        messages=(Message("user", "你好"), Message("assistant", "…")),
        config=ModelConfig(seed=3, stop=("\n",)),
        continue_final=True,
    )
    assert GenerationRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_the_system_prompt_of_the_parameters_goes_first() -> None:
    request = GenerationRequest(messages=(Message("user", "hi"),), config=ModelConfig(system_prompt="Be brief."))
    assert request.with_system_prompt()[0] == Message("system", "Be brief.")


def test_a_system_message_in_the_conversation_outranks_the_parameters() -> None:
    messages = (Message("system", "Sing."), Message("user", "hi"))
    request = GenerationRequest(messages=messages, config=ModelConfig(system_prompt="Be brief."))
    assert request.with_system_prompt() == messages
