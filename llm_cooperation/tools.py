"""What changes, exports and imports a configuration."""

from multi_llm_comparator.programs.tools import APIConfigManager

__all__ = ["APIConfigManager"]
