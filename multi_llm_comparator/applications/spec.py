"""What a service is asked to do, and the checks on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.readable import Language

ServiceType = Literal["document_analysis", "data_insight", "decision_support"]
SERVICES: tuple[ServiceType, ...] = ("document_analysis", "data_insight", "decision_support")
# Of each service: its kinds, the parameter that names one, and the usual one first.
KINDS: dict[ServiceType, tuple[str, ...]] = {
    "document_analysis": ("comprehensive", "summary", "key_points", "risks", "questions"),
    "data_insight": ("trends", "anomalies", "comparison"),
    "decision_support": ("comparison", "recommendation", "risk"),
}
KIND_PARAMETER: dict[ServiceType, str] = {
    "document_analysis": "analysis_type",
    "data_insight": "insight_type",
    "decision_support": "decision_type",
}
# Under which name a result's text is handed out.
RESULT_KEYS: dict[tuple[ServiceType, str], str] = {
    **{("document_analysis", kind): "analysis" for kind in KINDS["document_analysis"]},
    ("data_insight", "trends"): "trend_analysis",
    ("data_insight", "anomalies"): "anomaly_analysis",
    ("data_insight", "comparison"): "comparison_analysis",
    ("decision_support", "comparison"): "comparison",
    ("decision_support", "recommendation"): "recommendation",
    ("decision_support", "risk"): "risk_assessment",
}
MAX_QUESTION_CHARS = 2_000
MAX_WEIGHTS = 20


class ServiceSpec(ClosedModel):
    """One piece of work. ``name`` is the file's; ``language`` that of the result, "" for that of the document.

    ``target`` may be whatever can be asked: a model, a group, ``cooperate:MODE``. "" asks nobody: then all that is said
    is computed or quoted. ``context_tokens`` bound a question with its answer. ``weights`` of criteria go before those
    in the text.
    """

    service_type: ServiceType
    kind: str
    target: str = Field(default="", max_length=500)
    name: str = Field(default="", max_length=300)
    question: str = Field(default="", max_length=MAX_QUESTION_CHARS)
    language: Literal["", "en", "zh"] = ""
    weights: dict[str, float] = Field(default={}, max_length=MAX_WEIGHTS)
    context_tokens: int = Field(default=2048, ge=512, le=1_000_000)
    answer_tokens: int = Field(default=400, ge=32, le=8192)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    deadline_s: float | None = Field(default=None, gt=0)

    @property
    def result_key(self) -> str:
        return RESULT_KEYS[self.service_type, self.kind]

    def spoken_in(self, found: Language) -> Language:
        """The language of the result, for a document in ``found``."""
        return self.language or found


def spec_of(service_type: str, parameters: Mapping[str, Any], *, target: str = "") -> ServiceSpec:
    """What is wanted, from a name and parameters as callers write them.

    Args:
        service_type: one of :data:`SERVICES`.
        parameters: the fields of :class:`ServiceSpec`; the kind also as ``analysis_type``, ``insight_type`` or
            ``decision_type``, the target also as ``model``.
        target: who is asked where ``parameters`` do not say.

    Raises:
        ConfigurationError: there is no such service, kind or parameter, or a value is out of its range.
    """
    if service_type not in SERVICES:
        near = did_you_mean(service_type, SERVICES)
        raise ConfigurationError(f"there is no service {service_type!r}{near}")
    given = dict(parameters)
    named = KIND_PARAMETER[service_type]
    kind = given.pop(named, given.pop("kind", KINDS[service_type][0]))
    if kind not in KINDS[service_type]:
        known = ", ".join(KINDS[service_type])
        raise ConfigurationError(f"{named} {kind!r} is none of {service_type}'s: it has {known}")
    asked = given.pop("model", None) or given.pop("target", None) or target
    fields = {**given, "service_type": service_type, "kind": kind, "target": asked}
    unknown = sorted(fields.keys() - ServiceSpec.model_fields.keys())
    if unknown:
        names = [named, "model", *(set(ServiceSpec.model_fields) - {"service_type", "kind", "target"})]
        near = did_you_mean(unknown[0], names)
        raise ConfigurationError(f"there is no parameter {unknown[0]!r}{near}")
    spec = checked(ServiceSpec, fields)
    _check(spec)
    return spec


def _check(spec: ServiceSpec) -> None:
    if spec.kind == "questions" and not spec.question.strip():
        raise ConfigurationError("a question is needed: give the parameter 'question'")
    if any(not math.isfinite(weight) or weight < 0 for weight in spec.weights.values()):
        raise ConfigurationError(f"weights must be numbers of 0 and more, not {spec.weights!r}")
    if spec.weights and not any(spec.weights.values()):
        raise ConfigurationError("at least one weight must be above 0")
    if spec.answer_tokens > spec.context_tokens // 2:
        raise ConfigurationError(
            f"answer_tokens ({spec.answer_tokens}) may be at most half of context_tokens ({spec.context_tokens})"
        )
