"""Python's collector of garbage, in processes that serve."""

from __future__ import annotations

import gc

# A request at work has some 500 objects of its own, and by Python's usual figures (700 and 10) those of sixty are
# searched each second, which takes 5 to 10 ms: more may come together first.
YOUNG, MIDDLE_AGED, OLD = 10_000, 20, 10


def pass_over_what_is_loaded() -> None:
    """Have later collections look only at what is made from now on.

    Libraries make 160,000 objects that stay until the end; a full collection that looks at all of them stops every
    request for 70 ms. To be called once what serves is imported and open, and again when much more was imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE_AGED, OLD)
