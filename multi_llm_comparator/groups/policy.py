"""What is done about a failure, decided by its type alone."""

from __future__ import annotations

from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import (
    AnswerInterrupted,
    BudgetExceededError,
    CircuitOpenError,
    ConfigurationError,
    ContextOverflowError,
    ConversationRefusedError,
    DeadlineExceededError,
    InsufficientMemoryError,
    KeyRefusedError,
    LimitExceededError,
    ModelNotFoundError,
    ModelProcessDied,
    ModelProcessHung,
    MultiLLMError,
    NoModelAvailableError,
    ProviderUnavailableError,
    RateLimitedError,
    RequestRefusedError,
)


@dataclass(frozen=True, slots=True)
class Treatment:
    """``retry`` the same model, ``fall_back`` to another, ``blame`` the model so that its breaker counts it.

    ``whole_provider``: other models of the same provider would fail alike.
    """

    retry: bool = False
    fall_back: bool = False
    blame: bool = False
    whole_provider: bool = False


GIVE_UP = Treatment()
# The first entry that fits counts, so children stand before their parents.
_TREATMENTS: tuple[tuple[type[MultiLLMError], Treatment], ...] = (
    (RequestRefusedError, GIVE_UP),
    (ConfigurationError, GIVE_UP),
    (DeadlineExceededError, GIVE_UP),
    (AnswerInterrupted, GIVE_UP),
    (NoModelAvailableError, GIVE_UP),
    (ContextOverflowError, Treatment(fall_back=True)),
    (ConversationRefusedError, Treatment(fall_back=True)),
    (RateLimitedError, Treatment(retry=True, fall_back=True, whole_provider=True)),
    (KeyRefusedError, Treatment(fall_back=True, blame=True, whole_provider=True)),
    (ProviderUnavailableError, Treatment(retry=True, fall_back=True, blame=True, whole_provider=True)),
    (ModelProcessDied, Treatment(retry=True, fall_back=True, blame=True)),
    (ModelProcessHung, Treatment(retry=True, fall_back=True, blame=True)),
    (ModelNotFoundError, Treatment(fall_back=True)),
    (InsufficientMemoryError, Treatment(fall_back=True)),
    (CircuitOpenError, Treatment(fall_back=True)),
    (LimitExceededError, Treatment(fall_back=True)),
    (BudgetExceededError, Treatment(fall_back=True)),
    (MultiLLMError, Treatment(fall_back=True, blame=True)),
)


def treatment_of(error: MultiLLMError) -> Treatment:
    return next(treatment for kind, treatment in _TREATMENTS if isinstance(error, kind))
