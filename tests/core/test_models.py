from __future__ import annotations

import hashlib

from multi_llm_comparator.core.models import InferenceStats, ModelInfo, ModelType


def test_the_id_is_the_first_eight_digits_of_the_paths_md5() -> None:
    info = ModelInfo(id="", name="m", path="models/gguf/m.gguf", model_type=ModelType.GGUF, size=1, config={})
    assert info.id == hashlib.md5(b"models/gguf/m.gguf").hexdigest()[:8]


def test_a_given_id_stays() -> None:
    assert ModelInfo("mine", "m", "p", ModelType.CUSTOM, 0).id == "mine"


def test_a_model_with_a_problem_is_not_loadable() -> None:
    assert ModelInfo("", "m", "p", ModelType.GGUF, 0, {"problem": "truncated"}).is_loadable is False


def test_duration_is_known_once_it_ended() -> None:
    assert InferenceStats(start_time=1.0).duration is None
    assert InferenceStats(start_time=1.0, end_time=3.5).duration == 2.5
