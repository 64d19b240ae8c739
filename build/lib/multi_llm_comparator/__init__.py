"""Multi-LLM Comparator: compare, combine, tune and serve language models on your own machine."""

__version__ = "0.2.0"
