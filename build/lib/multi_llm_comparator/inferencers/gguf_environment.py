"""How llama.cpp behaves in a model process; imported before it, since libgomp reads its switches once."""

from __future__ import annotations

import os

# Threads that wait for each other busily without end are 10 to 50 times slower when another process wants the core, as
# when four models decode at once; threads that go to sleep at once take twice the time for each token when the machine
# is theirs alone. So they spin for some microseconds, then sleep. The variable can be set otherwise from outside.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
# When llama.cpp gives up on something it starts a debugger, which takes seconds and fills the terminal.
os.environ.setdefault("GGML_NO_BACKTRACE", "1")
