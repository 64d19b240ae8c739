"""How large a comparison may grow. Every other file of this room takes its bounds from here."""

from __future__ import annotations

from multi_llm_comparator.core.asking import MAX_ANSWER_CHARS as MAX_ANSWER_CHARS

MAX_PANES = 4
MAX_TURNS = 200
# Of one pane in one turn: each regenerate or retry adds one.
MAX_ATTEMPTS = 50
# Of one answer: each continue adds one.
MAX_LEGS = 50
MAX_PROMPT_CHARS = 200_000
MAX_IMAGES = 8  # of one prompt
MAX_RUN_IMAGES = 64
# What a browser may send as one file; .streamlit/config.toml says the same to Streamlit, in MiB.
MAX_UPLOAD_BYTES = 32 * 2**20
MAX_TITLE_CHARS = 200
MAX_TARGET_CHARS = 1_024
# Points of the curve tokens over time that one answer keeps.
MAX_CURVE_POINTS = 256
# Tokens of one request that are kept with their log-probabilities.
MAX_PIECES = 16_384
