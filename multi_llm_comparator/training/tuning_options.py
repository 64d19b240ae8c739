"""What one may choose of a tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.plain_errors import MAX_PROBLEMS, in_plain_words
from multi_llm_comparator.training.data.spec import DataSpec

Method = Literal["lora", "qlora", "dpo"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
Optimizer = Literal["adamw"]
MAX_FIXED_PROMPTS = 8
MAX_PROMPT_CHARS = 8_000
ALL_LINEAR = "all-linear"

_Path = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Prompt = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROMPT_CHARS)]


class TuningOptions(BaseModel):
    """How a model is tuned by LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685).

    Args:
        model_path: the checkpoint directory to start from.
        data: what is learnt from, and what is kept aside to measure with.
        output_dir: where the model with what it learnt merged into it goes; None: only the adapter is kept.
        method: ``lora``; ``qlora``, with the base in 4 bits (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314);
            ``dpo``, which prefers the better of two answers (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290).
        epochs: how often each answer is seen.
        learning_rate: at its highest; it rises over ``warmup_share`` of the steps and then follows ``schedule``.
        rank: of the two matrices beside each linear layer; what they make is scaled by ``alpha / rank``.
        alpha: None: twice the rank.
        dropout: share of an adapter's input that is left out at random.
        targets: names of the layers that get adapters, such as ``q_proj``; none: all linear ones but the last.
        batch_size: answers in a micro-batch; times ``accumulation`` they are a step. Gradients are summed over all
            learnt tokens of a step, however it is divided.
        max_tokens: a longer chat is left out, for it would be cut. Never more than the model's context.
        packing: compute several answers in one pass, none of which sees another.
        pack_tokens: of such a pass, at most, unless one answer alone is longer; more need more memory.
        precision: of the frozen weights and the pass through them; adapters are always float32. ``auto``: bfloat16
            where it is computed fast, else float32.
        checkpointing: compute values of the forward pass again for the backward pass, which needs less memory and a
            third more time. ``auto``: when it would not fit otherwise.
        max_gradient_norm: a step's gradient is shortened to it; 0: never.
        evaluate_every: steps from one evaluation to the next; ``auto``: eight in all, and one at the end.
        early_stopping_patience: evaluations without a better validation loss after which the tuning ends; None: never.
        keep_best: what comes out is the adapter of the lowest validation loss, not of the last step.
        fixed_prompts: answered at each evaluation; none: the first questions that are kept aside, or else learnt.
        sample_tokens: of such an answer, at most.
        preference_beta: how strongly ``dpo`` keeps to the model it began with.
        seed: of the adapters' first values, of dropout and of the order of answers.
        mlflow_uri: where MLflow is told of the tuning; None: nowhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    model_path: _Path
    data: DataSpec
    output_dir: _Path | None = None
    method: Method = "lora"
    epochs: float = Field(default=3.0, ge=0.01, le=1000)
    learning_rate: float = Field(default=2e-4, ge=1e-9, le=1)
    rank: int = Field(default=8, ge=1, le=1024)
    alpha: float | None = Field(default=None, gt=0, le=65536)
    dropout: float = Field(default=0.0, ge=0, le=0.9)
    targets: tuple[_Name, ...] = Field(default=(), max_length=64)
    schedule: Schedule = "cosine"
    warmup_share: float = Field(default=0.03, ge=0, le=0.5)
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    batch_size: int = Field(default=8, ge=1, le=4096)
    accumulation: int = Field(default=1, ge=1, le=4096)
    max_tokens: int = Field(default=2048, ge=8, le=2**20)
    packing: bool = True
    pack_tokens: int = Field(default=1024, ge=64, le=2**20)
    precision: Precision = "auto"
    checkpointing: Literal["auto"] | bool = "auto"
    max_gradient_norm: float = Field(default=1.0, ge=0, le=1e6)
    evaluate_every: Literal["auto"] | Annotated[int, Field(ge=1, le=10**6)] = "auto"
    early_stopping_patience: Annotated[int, Field(ge=1, le=1000)] | None = None
    keep_best: bool = True
    fixed_prompts: tuple[_Prompt, ...] = Field(default=(), max_length=MAX_FIXED_PROMPTS)
    sample_tokens: int = Field(default=64, ge=1, le=1024)
    preference_beta: float = Field(default=0.1, gt=0, le=10)
    seed: int = Field(default=0, ge=0, lt=2**32)
    mlflow_uri: Annotated[str, StringConstraints(max_length=2048)] | None = None

    @field_validator("targets")
    @classmethod
    def _are_names(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        for name in targets:
            if not all(part.isidentifier() or part.isdecimal() for part in name.split(".")):
                raise ValueError(f"{name!r} is no name of a layer; give names such as 'q_proj'")
        return targets

    @property
    def scale_alpha(self) -> float:
        """``alpha``, or what it is when nobody chose it."""
        return self.alpha if self.alpha is not None else 2.0 * self.rank

    @property
    def in_step(self) -> int:
        """Answers, or pairs of answers, in a step."""
        return self.batch_size * self.accumulation

    @property
    def micro_tokens(self) -> int:
        """Tokens that are computed together, at most; 0: each answer by itself."""
        return self.pack_tokens if self.packing else 0

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def changed(self, **changes: Any) -> TuningOptions:
        """The same but for ``changes``.

        Raises:
            InvalidParameterError: a value is out of its range.
        """
        return tuning_options({**self.to_dict(), **changes})


def tuning_options(given: Mapping[str, Any]) -> TuningOptions:
    """Options from plain data.

    Raises:
        InvalidParameterError: what is wrong with it, and where.
    """
    try:
        return TuningOptions.model_validate(dict(given))
    except ValidationError as exc:
        problems = [_problem(error) for error in exc.errors()[:MAX_PROBLEMS]]
        raise InvalidParameterError("; ".join(dict.fromkeys(problems))) from exc


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])[:80]
    kept = f", not {error['input']!r}" if isinstance(error["input"], int | float | str) else ""
    return f"{place} {in_plain_words(error)}{kept[:200]}"
