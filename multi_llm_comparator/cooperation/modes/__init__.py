"""How members work together: each mode is one function from a desk to an outcome."""

from __future__ import annotations

from collections.abc import Mapping

from multi_llm_comparator.cooperation.desk import ModeFunction
from multi_llm_comparator.cooperation.modes.cascade import cascade
from multi_llm_comparator.cooperation.modes.council import council
from multi_llm_comparator.cooperation.modes.ensemble import ensemble
from multi_llm_comparator.cooperation.modes.pipeline import pipeline
from multi_llm_comparator.cooperation.modes.plain import parallel, sequential
from multi_llm_comparator.cooperation.modes.voting import voting
from multi_llm_comparator.cooperation.spec import Mode

MODE_FUNCTIONS: Mapping[Mode, ModeFunction] = {
    "sequential": sequential,
    "parallel": parallel,
    "voting": voting,
    "pipeline": pipeline,
    "ensemble": ensemble,
    "cascade": cascade,
    "council": council,
}
