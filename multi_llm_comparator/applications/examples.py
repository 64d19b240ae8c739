"""The texts that the page offers to begin with: a report, monthly figures, and a choice between providers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from multi_llm_comparator.applications.spec import ServiceType
from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.readable import Language


def example_text(service_type: ServiceType, language: Language) -> str:
    """The example of a service in a language."""
    return _examples()[service_type][language]


@cache
def _examples() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = parse_yaml(Path(__file__).with_name("examples.yaml").read_bytes())
    return found
