"""Which model, group or cooperation of models answers a question: by rules, and by what was learnt from answers."""

from multi_llm_comparator.routing.analysis import Analysis, Signal, analyse
from multi_llm_comparator.routing.candidates import Candidate, find_candidates
from multi_llm_comparator.routing.decision import Alternative, Preference, RoutingDecision, choose
from multi_llm_comparator.routing.router import IntelligentRouter, Routed, Surroundings, targets_of
from multi_llm_comparator.routing.rules import Rules, default_rules, load_rules

__all__ = [
    "Alternative",
    "Analysis",
    "Candidate",
    "IntelligentRouter",
    "Preference",
    "Routed",
    "RoutingDecision",
    "Rules",
    "Signal",
    "Surroundings",
    "analyse",
    "choose",
    "default_rules",
    "find_candidates",
    "load_rules",
    "targets_of",
]
