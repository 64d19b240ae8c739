"""Where commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

from multi_llm_comparator.core.plain_text import PlainConsole

output = PlainConsole(markup=False, highlight=False, soft_wrap=True)
messages = PlainConsole(stderr=True, markup=False, highlight=False)
