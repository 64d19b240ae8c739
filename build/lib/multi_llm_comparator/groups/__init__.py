"""Task groups and the gateway: one name for many models."""

from multi_llm_comparator.groups.concurrency_controller import ConcurrencyController
from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.groups.config_loader import ConfigLoader
from multi_llm_comparator.groups.enhanced_fallback_manager import EnhancedFallbackManager, FallbackResult
from multi_llm_comparator.groups.gateway import FreshAnswers, Gateway
from multi_llm_comparator.groups.polling_pool import PollingPool, PollingPoolManager
from multi_llm_comparator.groups.schedulers import Scheduler, register_scheduler
from multi_llm_comparator.groups.task_group_manager import TaskGroupManager

__all__ = [
    "ConcurrencyController",
    "ConfigLoader",
    "EnhancedFallbackManager",
    "FallbackResult",
    "FreshAnswers",
    "Gateway",
    "GroupsConfig",
    "PollingPool",
    "PollingPoolManager",
    "Scheduler",
    "TaskGroupManager",
    "register_scheduler",
]
