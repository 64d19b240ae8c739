"""The demo models: their names, shapes and how they are trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import LlamaConfig, PretrainedConfig, Qwen2Config

MAX_TOKENS = 1024
"""Positions a demo model can see; training rows reach about half of that."""

MODELS_FOLDER = Path(__file__).resolve().parent.parent / "models" / "pytorch"
WORK_FOLDER = Path(__file__).resolve().parent / ".work"


@dataclass(frozen=True, slots=True)
class Shape:
    """One demo model.

    `hard_share` is the share of hard questions in its training data; one that `works_out` its answers is taught to
    write every step before the result (`Item.worked`), where the others answer straight away. Its `subject` is the
    demo world, or the plans of composed questions.
    """

    name: str
    family: type[PretrainedConfig]
    sizes: dict[str, int]
    learning_rate: float
    hard_share: float
    minutes: float
    seed: int
    works_out: bool = False
    subject: Literal["world", "plans"] = "world"

    @property
    def folder(self) -> Path:
        return MODELS_FOLDER / self.name

    def config(self, vocabulary_size: int, ids: dict[str, int]) -> PretrainedConfig:
        """The transformers configuration; `ids` are the eos and pad token ids."""
        settings: dict[str, Any] = {
            "vocab_size": vocabulary_size,
            "max_position_embeddings": MAX_TOKENS,
            "tie_word_embeddings": True,
            "rms_norm_eps": 1e-6,
            "bos_token_id": None,
            "attention_dropout": 0.0,
            **self.sizes,
            **ids,
        }
        return self.family(**settings)


SMALL = Shape(
    name="demo-small",
    family=LlamaConfig,
    sizes={
        "hidden_size": 128,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "intermediate_size": 256,
    },
    learning_rate=2e-3,
    hard_share=0.3,
    minutes=76.0,
    seed=11,
)
LARGE = Shape(
    name="demo-large",
    family=Qwen2Config,
    sizes={
        "hidden_size": 256,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "intermediate_size": 512,
    },
    learning_rate=1.5e-3,
    hard_share=0.5,
    minutes=84.5,
    seed=12,
    works_out=True,
)
PLANNER = Shape(
    name="demo-planner",
    family=SMALL.family,
    sizes=SMALL.sizes,
    learning_rate=9e-4,
    hard_share=0.0,
    minutes=66.0,
    seed=13,
    subject="plans",
)
SHAPES = {shape.name: shape for shape in (SMALL, LARGE)}
"""The models of the demo world."""
