from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.jobs.events import Artefact
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_spec import tuning_spec
from multi_llm_comparator.ui.tune.tuned import tuned_of
from multi_llm_comparator.workbench import Workbench


def test_an_adapter_is_taken_on_the_form_of_the_base_that_it_was_tuned_from(bench: Workbench, tmp_path: Path) -> None:
    folder, adapter = tmp_path / "small", tmp_path / "adapter"
    base = ModelInfo("", "small", str(folder), ModelType.PYTORCH, 10)
    packed = ModelInfo("", "small-Q8_0", str(tmp_path / "small.gguf"), ModelType.GGUF, 5)
    on_packed = ModelInfo("one", "small-Q8_0:mine", str(adapter), ModelType.GGUF, 1, base=packed)
    on_base = ModelInfo("two", "small:mine", str(adapter), ModelType.PYTORCH, 1, base=base)
    bench.models.available_models = [packed, on_packed, base, on_base]
    options = TuningOptions(model_path=str(folder), data=DataSpec(source="/data.jsonl"))
    job = JobSnapshot(
        id="job1",
        version=1,
        spec=tuning_spec("A job", options, None),
        title="A job",
        state="done",
        artefacts=[Artefact(kind="adapter", path=str(adapter))],
        created=0.0,
    )
    found = tuned_of(job)
    assert found is not None
    assert found.model is on_base and found.base is base and found.target == "small:mine"
