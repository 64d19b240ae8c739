"""Engines: one loaded model that decodes for many requests; one kind per file."""
