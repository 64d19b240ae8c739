"""Memory that is freed between pieces in use goes back once it is much."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

HOLED = """
import numpy, psutil
from multi_llm_comparator.training.allocator import Holes, keep_freed_memory
from multi_llm_comparator.training.tuning_steps import MOST_HOLES_BYTES
keep_freed_memory()
process = psutil.Process()
give_back = Holes()
before = process.memory_info().rss
made = [numpy.ones(2**20 if place % 8 else 2**10, numpy.uint8) for place in range(400)]
few = MOST_HOLES_BYTES // 2**20 // 2
kept = [piece for piece in made if piece.nbytes < 2**20]
del made
holed = process.memory_info().rss
assert holed - before > 300 * 2**20, holed - before
give_back()
assert process.memory_info().rss - before < 100 * 2**20, process.memory_info().rss - before
more = numpy.ones(few * 2**20, numpy.uint8)
del more
held = process.memory_info().rss
give_back()
assert process.memory_info().rss > held - 2**23
print(len(kept))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is looked after")
def test_holes_go_back_when_they_are_many_and_few_are_kept_for_use() -> None:
    done = subprocess.run([sys.executable, "-c", HOLED], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.strip() == "50", done.stderr
