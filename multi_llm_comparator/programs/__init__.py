"""What programs import: a configuration in code, an engine that asks by it, and the state of the models.

The package ``llm_cooperation`` has these names too.
"""
