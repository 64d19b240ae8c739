"""Evaluations as a kind of run: many prompts asked of several models, scored, judged, and a verdict."""
