"""Collaborative plans: a planner splits a question into a DAG of steps, small and large models solve them together."""

from multi_llm_comparator.plans.executor import ExecutorOptions, PlanExecutor
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.performance import PerformanceTracker
from multi_llm_comparator.plans.plan import Plan, Step

__all__ = ["ExecutorOptions", "PerformanceTracker", "Plan", "PlanExecutor", "Step", "parse_plan"]
