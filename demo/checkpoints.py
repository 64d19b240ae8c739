"""Writing a demo model the way transformers reads it, file by file and never half."""

import json
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from demo.shapes import MAX_TOKENS, Shape
from demo.tokens import END_OF_TEXT, TURN_END, save_tokenizer, token_id


def new_model(shape: Shape, tokenizer: Tokenizer) -> PreTrainedModel:
    """The model with fresh weights, in float32."""
    torch.manual_seed(shape.seed)
    ids = {"eos_token_id": token_id(tokenizer, TURN_END), "pad_token_id": token_id(tokenizer, END_OF_TEXT)}
    config = shape.config(tokenizer.get_vocab_size(), ids)
    config.initializer_range = 0.02
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def save_model(model: PreTrainedModel, tokenizer: Tokenizer, shape: Shape) -> Path:
    """Saves weights (float16), configuration and tokenizer into the model's folder and returns it.

    Each file is replaced whole, so whoever loads the folder meanwhile reads old or new files, never a torn one.
    """
    shape.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shape.folder.parent, prefix=f".{shape.name}-") as name:
        fresh = Path(name)
        half = AutoModelForCausalLM.from_config(model.config, dtype=torch.float16)
        half.load_state_dict({key: value.to(torch.float16) for key, value in model.state_dict().items()})
        half.generation_config = GenerationConfig(
            do_sample=False,
            eos_token_id=token_id(tokenizer, TURN_END),
            pad_token_id=token_id(tokenizer, END_OF_TEXT),
            max_new_tokens=128,
        )
        half.save_pretrained(fresh)
        save_tokenizer(tokenizer, fresh, MAX_TOKENS)
        for file in fresh.iterdir():
            file.chmod(0o644)
            file.replace(shape.folder / file.name)
    return shape.folder


def parameter_count(folder: Path) -> int:
    """Parameters stored in a checkpoint, from the header of its weights."""
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    total = 0
    for name, entry in header.items():
        if name != "__metadata__":
            size = 1
            for extent in entry["shape"]:
                size *= extent
            total += size
    return total
