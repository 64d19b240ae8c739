"""Multi-LLM Comparator: compare, combine, tune and serve language models on your own machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multi_llm_comparator.applications.manager import ApplicationServiceManager as ApplicationServiceManager
    from multi_llm_comparator.applications.manager import ServiceResponse as ServiceResponse
    from multi_llm_comparator.cooperation.scheduler import CooperationScheduler as CooperationScheduler
    from multi_llm_comparator.programs.engine import InferenceRequest as InferenceRequest
    from multi_llm_comparator.programs.engine import InferenceResponse as InferenceResponse
    from multi_llm_comparator.programs.engine import OpenAIEngine as OpenAIEngine
    from multi_llm_comparator.programs.resources import ModelResourceManager as ModelResourceManager
    from multi_llm_comparator.programs.system_config import SystemConfig as SystemConfig
    from multi_llm_comparator.routing.router import IntelligentRouter as IntelligentRouter

__version__ = "0.2.0"

# What programs import, by where it is: imported when it is first named, so that nothing else waits for it.
EXPORTS = {
    "ApplicationServiceManager": "multi_llm_comparator.applications.manager",
    "CooperationScheduler": "multi_llm_comparator.cooperation.scheduler",
    "InferenceRequest": "multi_llm_comparator.programs.engine",
    "InferenceResponse": "multi_llm_comparator.programs.engine",
    "IntelligentRouter": "multi_llm_comparator.routing.router",
    "ModelResourceManager": "multi_llm_comparator.programs.resources",
    "OpenAIEngine": "multi_llm_comparator.programs.engine",
    "ServiceResponse": "multi_llm_comparator.applications.manager",
    "SystemConfig": "multi_llm_comparator.programs.system_config",
}


def __getattr__(name: str) -> object:
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(EXPORTS[name]), name)
