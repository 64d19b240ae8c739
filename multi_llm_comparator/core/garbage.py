"""Python's collector of garbage, in processes that serve."""

from __future__ import annotations

import gc


def pass_over_what_is_loaded() -> None:
    """Have later collections look only at what is made from now on.

    Libraries make 160,000 objects that stay until the end; a full collection that looks at all of them stops every
    request for 70 ms. To be called once what serves is imported and open.
    """
    gc.collect()
    gc.freeze()
