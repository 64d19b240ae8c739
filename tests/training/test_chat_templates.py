"""What is learnt stands behind exactly the prompt that both engines send, for templates of eight families of models.

Six are those of published models, two are written here; the tokenizer is the demo model's, with the marks of the family
added to it as special tokens. So nothing is downloaded.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.pytorch_load import load_checkpoint
from multi_llm_comparator.inferencers.pytorch_text import PromptEncoder
from multi_llm_comparator.training.chat_rows import IGNORED, RowMaker
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.left_out import LeftOut
from tests.training.tunings import DEMO

# Those of published models, byte for byte, come with trl.
PUBLISHED = Path(next(iter(getattr(find_spec("trl"), "submodule_search_locations", None) or [""])), "chat_templates")


@dataclass(frozen=True)
class Family:
    """``template`` is the text of one, or the name of a published one. ``is_lasting``: what it writes of an answer does
    not change when more is said."""

    template: str
    marks: tuple[str, ...]
    end: str
    begin: str | None = None
    takes_system: bool = True
    is_lasting: bool = True

    @property
    def text(self) -> str:
        if "{" in self.template:
            return self.template
        path = PUBLISHED / f"{self.template}.jinja"
        return path.read_text(encoding="utf-8") if path.exists() else pytest.skip(f"this trl has no {path.name}")


TURNS = "{% for m in messages %}"
FAMILIES = {
    "chatml": Family(
        TURNS + "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|im_start|>", "<|im_end|>"),
        "<|im_end|>",
    ),
    "mistral": Family(
        # It writes a space before answers of the past that is not in the prompt of a new one.
        "<s>" + TURNS + "{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% elif m['role'] == 'assistant' %} {{ m['content'] }}</s>"
        "{% else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}",
        ("<s>", "</s>", "[INST]", "[/INST]"),
        "</s>",
        begin="<s>",
        takes_system=False,
        is_lasting=False,
    ),
    "Llama 3": Family(
        "llama3",
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eot_id|>",
        begin="<|begin_of_text|>",
    ),
    "Gemma": Family(
        "gemma",
        ("<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        begin="<bos>",
        takes_system=False,
    ),
    "Phi 3": Family("phi3", ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), "<|end|>"),
    # A system message of its own where there is none.
    "Qwen 2.5": Family("qwen2_5", ("<|im_start|>", "<|im_end|>"), "<|im_end|>"),
    # Thoughts of earlier answers are cut out.
    "Qwen 3": Family("qwen3", ("<|im_start|>", "<|im_end|>"), "<|im_end|>", is_lasting=False),
    "Aya": Family(
        "cohere",
        (
            "<BOS_TOKEN>",
            "<|START_OF_TURN_TOKEN|>",
            "<|SYSTEM_TOKEN|>",
            "<|USER_TOKEN|>",
            "<|CHATBOT_TOKEN|>",
            "<|END_OF_TURN_TOKEN|>",
        ),
        "<|END_OF_TURN_TOKEN|>",
        begin="<BOS_TOKEN>",
    ),
}
TALK = (
    Message("user", "What is 2 + 3?"),
    Message("assistant", "<think>\neasy\n</think>\n\n2 + 3 = 5"),
    Message("user", "  And [INST] 4 <|im_end|> more? "),
    Message("assistant", "5 + 4 = 9, “neun” 九"),
)


def made(folder: Path, family: Family) -> Path:
    """The demo model with the family's template and marks; for those that are new it gets more tokens."""
    model = folder / "model"
    shutil.copytree(DEMO, model)
    tokenizer = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    known = {entry["content"] for entry in tokenizer["added_tokens"]}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    for mark in (mark for mark in family.marks if mark not in known):
        number = max(entry["id"] for entry in tokenizer["added_tokens"]) + 1
        tokenizer["added_tokens"].append({"id": number, "content": mark, **plain})
    size = max(entry["id"] for entry in tokenizer["added_tokens"]) + 1
    weights = load_file(model / "model.safetensors")
    embedded = weights["model.embed_tokens.weight"]
    weights["model.embed_tokens.weight"] = torch.cat([embedded, embedded[: size - len(embedded)]]).contiguous()
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    (model / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    template, begin = family.text, family.begin
    _change(model / "tokenizer_config.json", eos_token=family.end, bos_token=begin, chat_template=template)
    (model / "chat_template.jinja").write_text(template, encoding="utf-8")
    end = next(e["id"] for e in tokenizer["added_tokens"] if e["content"] == family.end)
    _change(model / "config.json", vocab_size=size, eos_token_id=end)
    _change(model / "generation_config.json", eos_token_id=end)
    return model


def _change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_answer_is_learnt_behind_the_prompt_of_both_engines_token_for_token(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    model = made(tmp_path, family)
    messages = (Message("system", "Be brief."), *TALK) if family.takes_system else TALK
    learnt = tuple(index for index, message in enumerate(messages) if message.role == "assistant")
    loaded = load_checkpoint(str(model), LoadOptions())
    rows = RowMaker(loaded.tokenizer, loaded.stop_ids, 1000).rows(Chat(messages, learnt, "row 1"), LeftOut())
    assert tuple(rows) == learnt
    gguf = tmp_path / "model.gguf"
    export_gguf(model, gguf, "F16")
    engine = GgufEngine(str(gguf), LoadOptions(n_ctx=512))
    end = loaded.tokenizer.convert_tokens_to_ids(family.end)
    try:
        for index, row in rows.items():
            request = GenerationRequest(messages=messages[:index])
            ids, labels = row.input_ids.tolist(), row.labels.tolist()
            first = next(place for place, label in enumerate(labels) if label != IGNORED)
            assert ids[:first] == PromptEncoder(loaded.tokenizer).encode(request)[1]
            assert ids[:first] == _gguf_tokens(engine, request)
            # Nothing but the answer and the mark that ends it, and both whole.
            assert labels[first:] == ids[first:] and ids[-1] == end and end not in ids[first:-1]
            assert loaded.tokenizer.decode(ids[first:-1]).strip() == messages[index].content.strip()
            if family.is_lasting:
                _is_what_transformers_writes(model, messages[: index + 1], ids)
    finally:
        engine.close()


def _gguf_tokens(engine: GgufEngine, request: GenerationRequest) -> list[int]:
    return list(engine._vocabulary.tokenize(engine._template.render(request).parts))


def _is_what_transformers_writes(model: Path, messages: tuple[Message, ...], ids: list[int]) -> None:
    """Where no text of a message looks like a mark, the row begins what the template makes of the whole talk."""
    if any(mark in m.content for m in messages for family in FAMILIES.values() for mark in family.marks):
        return
    tokenizer = AutoTokenizer.from_pretrained(model)
    turns = [{"role": m.role, "content": m.content} for m in messages]
    whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
    assert whole[: len(ids)] == ids
