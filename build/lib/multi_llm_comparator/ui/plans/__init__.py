"""The Plans page."""
