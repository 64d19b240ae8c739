"""Data insight: figures are computed, a model only words them."""
