"""What is known against a model besides its breaker: failed health checks, and an endpoint's wish to be left alone."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.exceptions import MultiLLMError

MAX_MODELS = 10_000
# A longer Retry-After than this is a mistake or malice; the model is asked again and may repeat its wish.
MAX_REST_S = 300.0


@dataclass(slots=True)
class _Health:
    failed_checks: int = 0
    is_out: bool = False
    rests_until: float = 0.0
    last_error: str = ""
    last_error_type: str = ""
    last_error_at: float = 0.0
    last_check_at: float | None = None


class HealthBoard:
    """One entry for each model that ever had trouble."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, _Health] = OrderedDict()

    def _of(self, model: str) -> _Health:
        if model not in self._models:
            self._models[model] = _Health()
            if len(self._models) > MAX_MODELS:
                self._models.popitem(last=False)
        return self._models[model]

    def note_error(self, model: str, error: MultiLLMError) -> None:
        health = self._of(model)
        health.last_error, health.last_error_type = str(error), type(error).__name__
        health.last_error_at = time.monotonic()

    def rest(self, model: str, seconds: float) -> None:
        """Leave the model alone so long, as its endpoint asked (``Retry-After``), but ``MAX_REST_S`` at most."""
        health = self._of(model)
        health.rests_until = max(health.rests_until, time.monotonic() + min(seconds, MAX_REST_S))

    def rest_left_s(self, model: str) -> float:
        health = self._models.get(model)
        return max(0.0, health.rests_until - time.monotonic()) if health else 0.0

    def check_failed(self, model: str, error: MultiLLMError, unhealthy_after: int) -> None:
        """A health check failed; after ``unhealthy_after`` in a row the model leaves the rotation."""
        self.note_error(model, error)
        health = self._of(model)
        health.failed_checks += 1
        health.is_out = health.is_out or health.failed_checks >= unhealthy_after
        health.last_check_at = time.monotonic()

    def check_passed(self, model: str) -> None:
        """A health check passed: the model is back in the rotation."""
        health = self._of(model)
        health.failed_checks, health.is_out, health.last_check_at = 0, False, time.monotonic()

    def forget_checks(self, model: str) -> None:
        """Nobody checks the model any more, so nothing that a check found may keep it out."""
        if health := self._models.get(model):
            health.failed_checks, health.is_out = 0, False

    def forget_all_checks_but(self, models: Collection[str]) -> None:
        for model in self._models:
            if model not in models:
                self.forget_checks(model)

    def reset(self, model: str) -> None:
        """Let requests through again: forget failed checks and the endpoint's wish to be left alone."""
        self.forget_checks(model)
        if health := self._models.get(model):
            health.rests_until = 0.0

    def why_out(self, model: str) -> str | None:
        """Why the model gets no requests, or None."""
        health = self._models.get(model)
        if health is None:
            return None
        if health.is_out:
            return f"{health.failed_checks} health checks in a row failed; the last: {health.last_error}"
        left = health.rests_until - time.monotonic()
        return f"its endpoint asks to wait another {left:.1f} s" if left > 0 else None

    def out_by(self, model: str) -> str | None:
        """The same in a word: "health_checks" or "retry_after"."""
        health = self._models.get(model)
        if health is None or not self.is_out(model):
            return None
        return "health_checks" if health.is_out else "retry_after"

    def is_out(self, model: str) -> bool:
        health = self._models.get(model)
        return health is not None and (health.is_out or health.rests_until > time.monotonic())

    def status(self, model: str) -> dict[str, Any]:
        health = self._models.get(model) or _Health()
        now = time.monotonic()
        return {
            "out": self.why_out(model),
            "failed_checks": health.failed_checks,
            "last_error": health.last_error or None,
            "last_error_type": health.last_error_type or None,
            "last_error_age_s": round(now - health.last_error_at, 3) if health.last_error else None,
            "last_check_age_s": None if health.last_check_at is None else round(now - health.last_check_at, 3),
        }
