"""The command line: ``llm-cooperation``."""
