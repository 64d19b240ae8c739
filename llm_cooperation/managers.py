"""How the models do, and how requests are shared out among them."""

from multi_llm_comparator.programs.load_balancing import LoadBalanceStrategy
from multi_llm_comparator.programs.resources import ModelResourceManager

__all__ = ["LoadBalanceStrategy", "ModelResourceManager"]
