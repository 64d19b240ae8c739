"""The Vote page."""
