"""Checkpoints of a few thousand random weights that see, and pictures for them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken
from transformers import (
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.llava.processing_llava import LlavaProcessor

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Finished, TextDelta
from multi_llm_comparator.core.image_data import data_url
from multi_llm_comparator.core.requests import GenerationRequest, Message
from tests.support.requests import Reply
from tests.support.tiny_checkpoint import make_tokenizer
from tests.support.tiny_gguf import WIDTH

# As SmolVLM writes it: contents are lists of parts only.
PARTS_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}: {% for part in m['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% elif part['type'] == 'image' %}<image>{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
_VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def picture(seed: int = 0, size: tuple[int, int] = (24, 20), format: str = "PNG", **options: Any) -> str:
    """A picture of random points, as an address that holds it."""
    points = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(points).save(file, format, **options)
    return data_url(file.getvalue())


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def make_llava(folder: Path, *, dtype: torch.dtype = torch.float32) -> Path:
    """A Llama behind a CLIP: four tokens for each image."""
    tokenizer = _tokenizer("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=16, patch_size=8, projection_dim=32, **_VISION),
        text_config=LlamaConfig(vocab_size=len(tokenizer), **_TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    _save(LlavaForConditionalGeneration(config), folder, dtype)
    images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    LlavaProcessor(
        images, tokenizer, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_idefics3(folder: Path) -> Path:
    """Like SmolVLM: an image is cut into tiles, of which each has four tokens between marks."""
    marks = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    tokenizer = _tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *marks)
    config = Idefics3Config(
        vision_config={"image_size": 16, "patch_size": 4, **_VISION},
        text_config=LlamaConfig(vocab_size=len(tokenizer), **_TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    _save(Idefics3ForConditionalGeneration(config), folder, torch.float32)
    images = Idefics3ImageProcessorPil(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    Idefics3Processor(images, tokenizer, image_seq_len=4).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(*marks: str) -> PreTrainedTokenizerFast:
    tokenizer = make_tokenizer(PARTS_TEMPLATE)
    tokenizer.add_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks], special_tokens=True)
    tokenizer.eos_token = None
    return tokenizer


def _save(model: Any, folder: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            # Far enough apart that rounding does not change which token is likeliest.
            if weight.dim() > 1:
                weight.normal_(0, 0.3)
    model.to(dtype).save_pretrained(folder)


def write_mmproj(path: Path, *, width: int = WIDTH, seed: int = 0) -> Path:
    """The vision part of a GGUF model of this width: a CLIP of random weights, four tokens for each image."""
    random, size, hidden, layers, side, patch = np.random.default_rng(seed), 32, 64, 2, 16, 8
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_use_gelu(True)
    writer.add_vision_image_size(side)
    writer.add_vision_patch_size(patch)
    writer.add_vision_embedding_length(size)
    writer.add_vision_feed_forward_length(hidden)
    writer.add_vision_projection_dim(width)
    writer.add_vision_block_count(layers)
    writer.add_vision_head_count(2)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    matrices: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (size, 3, patch, patch),
        "v.class_embd": (size,),
        "v.position_embd.weight": ((side // patch) ** 2 + 1, size),
        "mm.0.weight": (width, size),
        "mm.2.weight": (width, width),
    }
    biases = {"mm.0.bias": width, "mm.2.bias": width, "v.pre_ln.bias": size, "v.post_ln.bias": size}
    norms = {"v.pre_ln.weight": size, "v.post_ln.weight": size}
    for layer in range(layers):
        block = f"v.blk.{layer}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            matrices[f"{block}.{name}.weight"], biases[f"{block}.{name}.bias"] = (size, size), size
        for name in ("ln1", "ln2"):
            norms[f"{block}.{name}.weight"], biases[f"{block}.{name}.bias"] = size, size
        matrices |= {f"{block}.ffn_up.weight": (hidden, size), f"{block}.ffn_down.weight": (size, hidden)}
        biases |= {f"{block}.ffn_up.bias": hidden, f"{block}.ffn_down.bias": size}
    for name, shape in matrices.items():
        writer.add_tensor(name, random.normal(0, 0.3, shape).astype(np.float32))
    for name, length in biases.items():
        writer.add_tensor(name, random.normal(0, 0.1, length).astype(np.float32))
    for name, length in norms.items():
        writer.add_tensor(name, np.ones(length, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def ask_about(*images: str, text: str, place: int = 0, **config: object) -> GenerationRequest:
    """A request with images before the character ``place`` of its text, that leaves nothing to chance."""
    wanted = {"temperature": 0, "repeat_penalty": 1.0, "max_tokens": 8, **config}
    message = Message("user", text, images, image_places=(place,) * len(images))
    return GenerationRequest(messages=(message,), config=ModelConfig(**wanted))  # type: ignore[arg-type]


def log_probabilities(reply: Reply) -> dict[int, float]:
    """Of the first token, as the engine tells them."""
    assert isinstance(reply.end, Finished), reply.end
    piece = next(piece for e in reply.events if isinstance(e, TextDelta) for piece in e.pieces)
    return {chance.id: chance.logprob for chance in piece.top}
