"""The models that the report on cooperation names, as candidates: what each is for, and how large it is."""

from __future__ import annotations

from multi_llm_comparator.routing import Candidate

SEED_MODELS = (
    Candidate(name="qwen3_32b_reasoning", tasks=frozenset({"reasoning", "math", "code"}), parameters=32e9),
    Candidate(name="qwen3_32b_router", tasks=frozenset({"analysis", "decision"}), parameters=32e9),
    Candidate(name="qwen3_8b", tasks=frozenset({"simple", "translation", "knowledge"}), parameters=8e9),
    Candidate(name="qwen2_5_7b", tasks=frozenset({"simple", "writing"}), parameters=7e9),
    Candidate(name="qwen2_5_vl_72b", tasks=frozenset({"vision"}), parameters=72e9, sees=True),
)
MODES = ("parallel", "voting", "sequential")
