from __future__ import annotations

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.ui.models.model_list import matching

MODELS = [
    ModelInfo("", "qwen-small", "/models/a.gguf", ModelType.GGUF, 10, {"quantization": "Q4_0", "parameters": 5}),
    ModelInfo("", "Llama", "/models/b", ModelType.PYTORCH, 30, {"architecture": "LlamaForCausalLM", "parameters": 9}),
    ModelInfo("", "broken", "/models/c.gguf", ModelType.GGUF, 99, {"problem": "the file ends early"}),
]


def names(text: str = "", sort: str = "name") -> list[str]:
    return [model.name for model in matching(MODELS, text, sort)]


def test_every_word_must_be_found_somewhere() -> None:
    assert names("gguf q4") == ["qwen-small"]
    assert names("llamaforcausal PYTORCH") == ["Llama"]
    assert names("gguf llama") == []


def test_what_cannot_be_loaded_comes_last_in_any_order() -> None:
    assert names(sort="name") == ["Llama", "qwen-small", "broken"]
    assert names(sort="size") == ["Llama", "qwen-small", "broken"]
    assert names(sort="parameters") == ["Llama", "qwen-small", "broken"]
