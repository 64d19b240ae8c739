"""The configuration in code."""

from multi_llm_comparator.programs.system_config import ApiConfig, ModelSettings, SystemConfig

__all__ = ["ApiConfig", "ModelSettings", "SystemConfig"]
