"""Several language models for one task: the classes of :mod:`multi_llm_comparator` that programs work with.

>>> from llm_cooperation import IntelligentRouter
>>> await IntelligentRouter().route_request("Solve 2x + 3 = 7")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multi_llm_comparator import EXPORTS, __version__

if TYPE_CHECKING:
    from multi_llm_comparator import ApplicationServiceManager as ApplicationServiceManager
    from multi_llm_comparator import CooperationScheduler as CooperationScheduler
    from multi_llm_comparator import InferenceRequest as InferenceRequest
    from multi_llm_comparator import InferenceResponse as InferenceResponse
    from multi_llm_comparator import IntelligentRouter as IntelligentRouter
    from multi_llm_comparator import ModelResourceManager as ModelResourceManager
    from multi_llm_comparator import OpenAIEngine as OpenAIEngine
    from multi_llm_comparator import ServiceResponse as ServiceResponse
    from multi_llm_comparator import SystemConfig as SystemConfig

__all__ = ["__version__", *sorted(EXPORTS)]


def __getattr__(name: str) -> object:
    """Imported when it is first named: one class does not wait for what another one needs."""
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import multi_llm_comparator

    return getattr(multi_llm_comparator, name)
