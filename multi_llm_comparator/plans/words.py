"""The words of exported plan runs, in English and Chinese."""

from __future__ import annotations

from multi_llm_comparator.core.words import Words

WORDS = Words(__file__)
words_of = WORDS.of
