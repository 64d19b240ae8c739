"""A job runs tasks of lm-eval on a model of ours, here a task file and rows of a user's own."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.evaluation.lm_eval_job import KIND, LmEvalOptions, lm_eval_spec, metrics_of, run
from multi_llm_comparator.evaluation.statistics.intervals import wilson
from multi_llm_comparator.jobs.events import Artefact, JobEvent, Progress, Result
from multi_llm_comparator.jobs.report import Report

MODEL = Path(__file__).parents[2] / "models" / "pytorch" / "demo-small"
needs_lm_eval = pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is an extra")


def write_tasks(folder: Path) -> None:
    """Two tasks over the same rows: one compares choices, one has the model write."""
    rows = [{"question": f"what is {a} + 2 ?", "answer": str(a + 2), "right": i} for i, a in enumerate((1, 3, 5))]
    data = folder / "rows.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    common = f"dataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\ntest_split: test\n"
    question = 'doc_to_text: "{{question}}"\n'
    (folder / "own_choice.yaml").write_text(
        f"task: own_choice\n{common}output_type: multiple_choice\n{question}"
        'doc_to_choice: ["3", "5", "7"]\ndoc_to_target: right\nmetric_list: [{metric: acc}]\n'
    )
    (folder / "own_written.yaml").write_text(
        f"task: own_written\n{common}output_type: generate_until\n{question}"
        'doc_to_target: "{{answer}}"\ngeneration_kwargs: {until: ["\\n"], max_gen_toks: 8}\n'
        "metric_list: [{metric: exact_match}]\n"
    )


@needs_lm_eval
@pytest.mark.slow
def test_tasks_of_a_folder_run_in_the_chat_template_and_are_kept_item_by_item(tmp_path: Path) -> None:
    write_tasks(tmp_path)
    told: list[JobEvent] = []

    def take(event: JobEvent) -> None:
        told.append(event)

    options: dict[str, Any] = {
        "model_path": str(MODEL),
        "tasks": ["own_choice", "own_written"],
        "include_path": str(tmp_path),
        "chat": True,
        "n_ctx": 256,
    }
    run(options, tmp_path, Report(take))
    (result,) = (event for event in told if isinstance(event, Result))
    assert any(isinstance(event, Progress) and event.done == event.total for event in told)
    assert any(isinstance(event, Artefact) and event.kind == "report" for event in told)
    kept = json.loads((tmp_path / "out" / "lm_eval.json").read_text(encoding="utf-8"))
    assert {name: len(samples) for name, samples in kept["samples"].items()} == {"own_choice": 3, "own_written": 3}
    assert 0 <= kept["results"]["own_choice"]["acc,none"] <= 1
    # What went to the model is a conversation, not the template's text.
    assert all("conversation" in str(sample["arguments"]) for sample in kept["samples"]["own_written"])
    assert "own_written" in str(result)


def test_each_number_of_a_result_has_its_interval_and_nothing_else_is_taken_for_one() -> None:
    arc = {"alias": "arc", "acc,none": 0.5, "acc_stderr,none": 0.1, "exact_match,strict": 0.25, "sample_len": 8}
    found = list(metrics_of({"results": {"arc": arc, "odd": "?", "ppl": {"word,none": 7, "word_stderr,none": "N/A"}}}))
    assert [(one.task, one.metric, one.value) for one in found] == [
        ("arc", "acc", 0.5),
        ("arc", "exact_match (strict)", 0.25),
        ("ppl", "word", 7.0),
    ]
    assert found[0].low == pytest.approx(0.304) and found[0].high == pytest.approx(0.696)
    assert [one.low for one in found[1:]] == [None, None]
    assert list(metrics_of(None)) == list(metrics_of({"results": 3})) == []


def test_an_accuracy_of_so_many_items_has_wilsons_interval() -> None:
    told = {"results": {"law": {"accuracy": 40.0, "bleu": 3.0}, "logic": {"accuracy": 40.0}}, "items": {"law": 10}}
    law, bleu, logic = metrics_of(told)
    low, high = wilson(4, 10)
    assert (law.low, law.high) == (pytest.approx(100 * low), pytest.approx(100 * high))
    assert (bleu.low, logic.low) == (None, None)


def test_a_job_names_its_model_by_its_path_and_a_wrong_option_is_said() -> None:
    model = ModelInfo("", "demo", str(MODEL), ModelType.GGUF, 1000, {})
    spec = lm_eval_spec(model, tasks=["arc_easy", "piqa"], limit=5)
    assert (spec.kind, spec.title, spec.needs.memory_bytes) == (KIND, "demo · arc_easy, piqa", 1300)
    assert LmEvalOptions(**spec.options).tasks == ("arc_easy", "piqa")
    with pytest.raises(ConfigurationError, match="tasks"):
        lm_eval_spec(model, tasks=[])


def test_options_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValidationError, match="wished"):
        LmEvalOptions(model_path="m", tasks=("a",), wished=1)  # type: ignore[call-arg]
