"""Quantizations of one model beside a reference: how far their predictions are from it, on one's own prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.crossing import Way, crossed
from multi_llm_comparator.evaluation.measuring.divergence import compared_with, texts_compared
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.spec import checked_spec
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at
from tests.evaluation.measuring.making import asked_all, evaluation, prompt_set
from tests.support import tiny_gguf

ROOT = Path(__file__).parents[3]
SUMS = prompt_set(("12 + 7 =", "19"), ("4 + 5 =", "9"), ("30 - 4 =", "26"), compare="contains")
SHORT = ModelConfig(temperature=0.0, max_tokens=8, n_ctx=64)


@pytest.mark.slow
async def test_fewer_bits_are_further_from_the_reference_and_another_tokenizer_is_said(
    opened: Any, tmp_path: Path
) -> None:
    engine = InferenceEngine()
    paths = [ROOT / "models" / "gguf" / f"demo-small-{kind}.gguf" for kind in ("F16", "Q8_0", "Q4_0")]
    models = [model_at(path) for path in [*paths, tiny_gguf.write_random(tmp_path / "other.gguf")]]
    for model in models:
        engine.know(model)
    spec = evaluation(SUMS, *(model.id for model in models), config=SHORT, reference="a")
    registry = opened(engine, scorer=engine)
    try:
        run = await asked_all(registry, spec)
    finally:
        await engine.aclose()
    assert run.state == "done", run.error
    q8, q4, other = run.snapshot().divergences
    assert (q8.subject, q4.subject, other.subject) == ("b", "c", "d")
    assert 0 < q8.mean_kl < q4.mean_kl
    for one in (q8, q4):
        assert one.kl_interval is not None and one.top1_interval is not None
        assert 0 <= one.kl_interval[0] <= one.mean_kl <= one.kl_interval[1]
        assert one.top1_interval[0] <= one.top1_agreement <= one.top1_interval[1] <= 1
    assert q8.texts == q4.texts == 3
    assert "another tokenizer" in other.error
    report = export_evaluation(run.snapshot(), "markdown").decode()
    assert report.count(") nats a token apart") == 2
    assert "could not be compared" in report
    assert run.figures()[f"divergence/{models[1].id}"] == q8.mean_kl
    again = await opened(engine).get(run.id)
    assert again.snapshot().divergences == run.snapshot().divergences


def test_what_the_reference_answered_is_compared_too_and_what_does_not_fit_is_left_out() -> None:
    spec = evaluation(SUMS, "a", "b", reference="b")
    cells = {
        CellKey(0, "b"): Cell(state="done", text="19"),
        CellKey(1, "b"): Cell(state="failed", error="no"),
        CellKey(1, "a"): Cell(state="done", text="7"),
    }
    assert texts_compared(spec, cells) == ["12 + 7 =\n19", "4 + 5 =", "30 - 4 ="]
    assert texts_compared(evaluation(SUMS, "a", "b"), cells) == []
    many = prompt_set(*((f"{n} {'x' * 6000}", "1") for n in range(40)))
    assert len(texts_compared(evaluation(many, "a", "b", reference="a"), {})) == 24


def test_a_reference_is_one_of_the_subjects_and_needs_prompts() -> None:
    with pytest.raises(ConfigurationError, match="'c', which is no subject"):
        evaluation(SUMS, "a", "b", reference="c")
    with pytest.raises(ConfigurationError, match="choose a prompt set"):
        evaluation(None, "a", "b", tasks=[{"name": "mmlu"}], reference="a")


def test_one_model_asked_in_several_ways_is_not_compared_with_itself() -> None:
    configs = [ModelConfig(temperature=0.0), ModelConfig(temperature=0.7)]
    subjects = crossed(["x", "y"], ["X", "Y"], [Way(config) for config in configs])
    assert [(one.id, one.target) for one in subjects] == [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")]
    spec = checked_spec(subjects=subjects, prompts=SUMS, reference="b")
    assert [one.id for one in compared_with(spec)] == ["c", "d"]
