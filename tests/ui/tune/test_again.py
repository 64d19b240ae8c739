from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.training.data.spec import Cleaning, ColumnMapping, DataSpec, SplitSpec
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_spec import Elsewhere, tuning_spec
from multi_llm_comparator.ui.tune.again import draft_of, less_memory, options_of
from multi_llm_comparator.ui.tune.data import data_spec
from multi_llm_comparator.ui.tune.lineage import left_out
from multi_llm_comparator.ui.tune.sources import source_at
from multi_llm_comparator.ui.tune.state import Draft
from multi_llm_comparator.workbench import Workbench

DATA = DataSpec(
    source="/data/sums.csv",
    format="columns",
    mapping=ColumnMapping(user=("task",), assistant="solved"),
    cleaning=Cleaning(refusals=True),
    split=SplitSpec(share=0.2),
    contamination=("/data/mmlu",),
)


def job(options: TuningOptions, elsewhere: Elsewhere | None = None) -> JobSnapshot:
    spec = tuning_spec("A job", options, None, elsewhere)
    return JobSnapshot(id="job1", version=1, spec=spec, title="A job", state="done", created=0.0)


def base(bench: Workbench, folder: Path) -> ModelInfo:
    folder.mkdir()
    model = ModelInfo("", "small", str(folder), ModelType.PYTORCH, 10)
    bench.models.available_models.append(model)
    return model


def test_a_copied_job_has_the_same_base_data_and_options(bench: Workbench, tmp_path: Path) -> None:
    model = base(bench, tmp_path / "small")
    options = TuningOptions(
        model_path=model.path, data=DATA, rank=64, learning_rate=1e-5, fixed_prompts=("Hello?",), targets=("q_proj",)
    )
    draft = draft_of(job(options))
    assert draft is not None and draft.base == model.id and draft.source is not None
    assert data_spec(draft.source, draft) == DATA
    again = TuningOptions(model_path=model.path, data=DATA).changed(**draft.changes, fixed_prompts=draft.prompts)
    assert again == options


def test_what_no_widget_shows_of_the_data_stays_in_a_copy_until_other_data_is_chosen(
    bench: Workbench, tmp_path: Path
) -> None:
    split = SplitSpec(path="/data/held-out.csv", group_by="book", seed=7, max_rows=50)
    data = DataSpec(source="/data/sums", files=("train-*",), format="alpaca", encoding="gb18030", split=split)
    draft = draft_of(job(TuningOptions(model_path=base(bench, tmp_path / "small").path, data=data)))
    assert draft is not None and draft.source is not None
    assert data_spec(draft.source, draft) == data
    changed = replace(draft, share=0.3, mapping=DATA.mapping)
    assert data_spec(draft.source, changed) == data.model_copy(
        update={"split": split.model_copy(update={"share": 0.3}), "format": "columns", "mapping": DATA.mapping}
    )
    assert data_spec(source_at("/data/others"), draft) == DataSpec(source="/data/others")


def test_a_copy_says_which_file_it_is_measured_with() -> None:
    def script(draft: object) -> None:
        import streamlit as st

        from multi_llm_comparator.ui.tune.cleaning import _draw_share

        st.session_state["tune_draft"] = draft
        _draw_share()

    data = DataSpec(source="/data/sums.csv", split=SplitSpec(path="/data/held-out.csv"))
    for copied, sliders in ((data, 0), (DATA, 1)):
        draft = Draft(source=source_at("/data/sums.csv"), copied=copied)
        test = AppTest.from_function(script, kwargs={"draft": draft}).run()
        assert not test.exception and len(test.slider) == sliders
        said = "".join(element.proto.body for element in test.get("html"))
        assert ("Measured with held-out.csv" in said) is (sliders == 0)


def test_what_is_changed_in_the_copy_holds(bench: Workbench, tmp_path: Path) -> None:
    options = TuningOptions(model_path=base(bench, tmp_path / "small").path, data=DATA, batch_size=8)
    draft = draft_of(job(options), batch_size=4, accumulation=2, checkpointing=True)
    assert draft is not None
    assert options.changed(**draft.changes).in_step == options.in_step


def test_less_memory_ends_in_the_same_model_until_nothing_is_left_to_lower() -> None:
    options, seen = TuningOptions(model_path="/models/one", data=DATA, pack_tokens=1024), []
    while changes := less_memory(options):
        assert set(changes) <= {"pack_tokens", "checkpointing"}
        options = options.changed(**changes)
        seen.append((options.pack_tokens, options.checkpointing))
    assert seen == [(512, True), (256, True), (128, True)]
    assert less_memory(options.changed(packing=False)) == {}


def test_a_copied_job_runs_where_the_first_one_ran(bench: Workbench, tmp_path: Path) -> None:
    options = TuningOptions(model_path=base(bench, tmp_path / "small").path, data=DATA)
    here, there = draft_of(job(options)), draft_of(job(options, Elsewhere("http://10.0.0.5:8265", gpus=1)))
    assert here is not None and (here.cluster, here.cluster_gpu) == ("", False)
    assert there is not None and (there.cluster, there.cluster_gpu) == ("http://10.0.0.5:8265", True)


def test_a_job_of_another_kind_has_no_options_and_breaks_nothing() -> None:
    options = TuningOptions(model_path="/models/one", data=DATA)
    strange = job(options).spec.model_copy(update={"options": {"whatever": 1}})
    assert options_of(JobSnapshot(id="x", version=1, spec=strange, title="x", state="done", created=0.0)) is None


def test_a_lineage_of_any_shape_is_read_without_harm() -> None:
    assert left_out({"left_out": {"refusal": {"found": 3, "left_out": 0}, "odd": 7, "worse": {"found": "x"}}}) == [
        ("refusal", 3, 0)
    ]
    assert left_out({"left_out": ["not", "rules"]}) == [] == left_out({})
