"""How llama.cpp's threads behave in a model process; imported before it, since libgomp reads its switches once."""

from __future__ import annotations

import os

# Threads that wait for each other busily are 10 to 50 times slower when another process wants the core, as when four
# models decode at once. Let them sleep instead; the variable can be set otherwise from outside.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
