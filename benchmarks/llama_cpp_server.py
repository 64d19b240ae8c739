"""llama-cpp-python's server, as a peer; its arguments are that server's own.

Its class loads quantized weights in a way that crashes on processors with AMX and has no argument against it, so the
default that it takes is changed there, and nowhere else.
"""

from __future__ import annotations

from typing import Any

import llama_cpp.llama_cpp as low_level
from llama_cpp.server.__main__ import main

from benchmarks.bare_llama import may_repack

_usual = low_level.llama_model_default_params


def _parameters() -> Any:
    params = _usual()
    params.use_extra_bufts = may_repack()
    return params


if __name__ == "__main__":
    low_level.llama_model_default_params = _parameters
    main()
