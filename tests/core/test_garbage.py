"""Collections pass over what was there when a server began to serve."""

from __future__ import annotations

import gc

from multi_llm_comparator.core.garbage import pass_over_what_is_loaded


def test_what_is_there_is_passed_over_and_new_garbage_is_collected() -> None:
    there, before, usual = [object(), ["kept"]], gc.get_threshold(), (700, 10, 10)
    gc.set_threshold(*usual)
    try:
        pass_over_what_is_loaded()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() > usual
        assert not any(one is there for one in gc.get_objects())
        ring: list[object] = []
        ring.append(ring)
        del ring
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
