"""How requests are shared out among models, told in code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.groups.schedulers import scheduler_names

# Other systems' names for what is here.
_ALSO = {"least_loaded": "least_used", "least_connections": "least_used", "weighted_round_robin": "weighted"}
# Weights of the gateway are whole numbers: so many steps make one of a weight of 1.
STEPS = 10
MAX_WEIGHT = 1_000_000.0


def pool_strategy(name: str) -> str:
    """The gateway's name for a strategy.

    Raises:
        ConfigurationError: there is none of this name.
    """
    found = _ALSO.get(name, name)
    if found not in scheduler_names():
        known = ", ".join([*scheduler_names(), *_ALSO])
        raise ConfigurationError(f"there is no load_balance_strategy {name!r}; there are {known}")
    return found


@dataclass(frozen=True, kw_only=True)
class LoadBalanceStrategy:
    """Whose turn it is, and when somebody has had enough.

    Attributes:
        strategy_type: ``round_robin``, ``least_used`` (also ``least_loaded``) or ``weighted``.
        weights: how much each model takes in proportion; 1 where nothing is said.
        health_threshold: share of answered calls below which a model is called "degraded".
        max_queue_length: how many requests may wait for a place; beyond it they are refused at once.

    Raises:
        ConfigurationError: one of them is out of its range.
    """

    strategy_type: str = "round_robin"
    weights: Mapping[str, float] = field(default_factory=dict)
    health_threshold: float = 0.95
    max_queue_length: int = 1000

    def __post_init__(self) -> None:
        pool_strategy(self.strategy_type)
        for model, weight in self.weights.items():
            if not 1 / STEPS <= weight <= MAX_WEIGHT:
                raise ConfigurationError(f"the weight of {model!r} must be 0.1 to {MAX_WEIGHT:g}, not {weight!r}")
        if not 0 <= self.health_threshold <= 1:
            raise ConfigurationError(f"health_threshold must be 0 to 1, not {self.health_threshold!r}")
        if not 0 <= self.max_queue_length <= 100_000:
            raise ConfigurationError(f"max_queue_length must be 0 to 100000, not {self.max_queue_length!r}")

    def whole_weights(self) -> dict[str, int]:
        """The weights as the gateway takes them."""
        return {model: max(1, round(weight * STEPS)) for model, weight in self.weights.items()}
