"""How llama.cpp behaves in a model process; imported before it, since libgomp reads its switches once."""

from __future__ import annotations

import os

# Threads that wait for each other busily are 10 to 50 times slower when another process wants the core, as when four
# models decode at once. Let them sleep instead; the variable can be set otherwise from outside.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# When llama.cpp gives up on something it starts a debugger, which takes seconds and fills the terminal.
os.environ.setdefault("GGML_NO_BACKTRACE", "1")
