"""How a question is answered by a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.plans.executor import ExecutorOptions, exact_config
from multi_llm_comparator.plans.grammar import plan_grammar
from multi_llm_comparator.plans.planner import Planner

KIND = "plan"
Phase = Literal["", "planning", "aggregating"]


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """How a question is answered.

    ``router_model`` plans; ``aggregation`` combines the answers with ``aggregator`` (the large model if empty), or
    takes the result of the last step where a plan has a single one. ``planner_prompt`` None is the built-in one, and
    empty suits a model that was trained to plan. With ``planner_grammar`` a local planner writes nothing but valid
    plans; ``planner_thinks`` lets it think first, in a ``<think>`` block. A plan that cannot be used is asked for again
    ``replans`` times.
    """

    executor: ExecutorOptions
    router_model: str
    planner_config: ModelConfig = field(default_factory=lambda: exact_config(2048))
    planner_prompt: str | None = None
    planner_grammar: bool = True
    planner_thinks: bool = False
    replans: int = 2
    aggregation: Literal["model", "last_step"] = "model"
    aggregator: str = ""
    aggregator_config: ModelConfig = field(default_factory=exact_config)

    @property
    def aggregator_model(self) -> str:
        """Who aggregates where a model does."""
        return self.aggregator or self.executor.large_model


def open_planner(source: TextSource, options: PlanOptions) -> Planner:
    """The planner that the options name."""
    grammar = plan_grammar(may_think=options.planner_thinks) if options.planner_grammar else None
    return Planner(source, options.router_model, options.planner_config, grammar=grammar)
