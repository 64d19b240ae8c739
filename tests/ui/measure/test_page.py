from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.applications.reading.process import read_image
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.presets import Presets
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.image_data import image_bytes
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.evaluation.lm_eval_job import lm_eval_spec
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.opencompass_job import INSTALL
from multi_llm_comparator.evaluation.prompt_library import PromptLibrary
from multi_llm_comparator.evaluation.prompt_sets import checked_set
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.plans.saved import SavedPlans
from multi_llm_comparator.services.scan.single import model_at
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.evaluation.measuring.making import evaluation, prompt_set
from tests.evaluation.measuring.test_learnt import trained
from tests.evaluation.measuring.test_outlook import mmlu
from tests.evaluation.test_lm_eval_job import write_tasks
from tests.evaluation.test_prompt_sets import PIXEL
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS
from tests.support.scripted_models import scripted_model
from tests.support.warm_python import start_warm_jobs
from tests.ui.measure.measured import PATIENCE_S, ROWS, ended, evaluated, field, opened, pick
from tests.ui.test_pages import asked, html_of, press, run_of

JOB_S = 300.0
DEMO = Path(__file__).parents[3] / "models" / "gguf" / "demo-small-Q8_0.gguf"


def chosen(test: AppTest, name: str) -> Any:
    """The list of several that shows a field."""
    (found,) = [box for box in test.multiselect if str(box.key).startswith(f"measure_setup_{name}")]
    return found


def adding_page(run_id: str) -> None:
    """What Compare shows to add its prompts to a set; run as a script of its own."""
    from multi_llm_comparator.ui.measure.adding import draw_add_to_set
    from multi_llm_comparator.workbench import get_workbench

    bench = get_workbench()
    draw_add_to_set(bench.bridge.run(bench.comparisons.get(run_id)).snapshot())


def test_an_empty_page_says_what_it_is_for_and_its_example_works_at_one_click(adders: Workbench) -> None:
    test = opened()
    assert not test.exception
    assert i18n.translate("en", "measure.welcome") in html_of(test)
    test.button(key="measure_example").click().run()
    assert not test.exception
    run = ended(adders, run_of(test))
    assert (run.state, len(run.items), len(run.spec.subjects)) == ("done", 12, 2)


def test_what_is_set_up_is_asked_and_remembered(adders: Workbench) -> None:
    kept = PromptSets().save(ROWS)
    test = opened()
    test.selectbox(key="measure_setup_prompts_0").select(kept.id).run()
    test.button(key="measure_start").click().run()
    assert not test.exception
    run = ended(adders, run_of(test))
    assert run.spec.prompts is not None
    assert [row.prompt for row in run.spec.prompts.rows] == ["What is 23 * 17?", "What is 2 + 2?"]
    assert opened().selectbox(key="measure_setup_prompts_0").value == kept.id


@pytest.mark.parametrize(("field", "empty", "said"), [("models", [], "models"), ("prompts", "", "prompts")])
def test_a_start_that_cannot_be_pressed_says_why(adders: Workbench, field: str, empty: Any, said: str) -> None:
    test = opened()
    kind = test.multiselect if field == "models" else test.selectbox
    kind(key=f"measure_setup_{field}_0").set_value(empty).run()
    assert not test.exception
    assert test.button(key="measure_start").disabled
    assert i18n.translate("en", f"missing.{said}") in [caption.value for caption in test.caption]


def test_a_run_shows_its_verdict_numbers_and_matrix(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id)
    assert not test.exception
    shown = html_of(test)
    assert 'data-outcome="not_separable"' in shown
    assert "100.0%" in shown and "50.0%" in shown
    (matrix,) = test.dataframe
    assert list(matrix.value["b"]) == ["✓ It is 391.", "✗ It is 391."]


def test_what_a_tuned_model_has_learnt_is_said_beside_its_score(adders: Workbench) -> None:
    (tuned, _) = adders.models.get_available_models()
    folder = trained(Path(tuned.path).parent / "tuned", *(f"How much is {n} and {n}?" for n in range(9)))
    tuned.config["converted_from"] = "tuned (BF16)"
    adders.models.available_models.append(ModelInfo("t", "tuned", str(folder), ModelType.PYTORCH, 1, {}))
    ids = [model.id for model in adders.models.get_available_models()][:2]
    asked = prompt_set(("How much is 4 and 4?", "8"), ("What is 2 + 2?", "4"), compare="contains")
    run = ended(adders, adders.bridge.run(adders.evaluations.start(evaluation(asked, *ids))).id)
    shown = html_of(opened(run=run.id))
    assert "was tuned on 1 of the 2 questions of own prompts (1 word for word, 0 in part)" in shown


def test_a_row_of_a_set_is_asked_in_compare_before_anything_is_measured(adders: Workbench) -> None:
    kept = PromptSets().save(ROWS.model_copy(update={"system": "Be brief."}))
    test = opened()
    test.selectbox(key="measure_setup_prompts_0").select(kept.id).run()
    test.session_state["measure_try_row"] = True
    test.run()
    test.selectbox(key="measure_try_row_number").select(1).run()
    test.button(key="measure_try_row_now").click().run()
    assert not test.exception
    comparison = adders.bridge.run(adders.comparisons.get(run_of(test)))
    (turn,) = comparison.snapshot().turns
    assert (turn.prompt, len(turn.answers)) == ("What is 2 + 2?", 2)
    assert {pane.config.system_prompt for pane in comparison.snapshot().panes} == {"Be brief."}


def test_a_run_that_failed_as_a_whole_leads_to_where_that_is_mended(bench: Workbench, tmp_path: Path) -> None:
    fault = {"kind": "error", "error_type": "KeyRefusedError", "message": "the endpoint says 401"}
    bench.models.available_models = [scripted_model(tmp_path, "yew", faults=[fault])]
    run = evaluated(bench)
    assert run.state == "failed"
    test = opened(run=run.id)
    assert i18n.translate("en", "error.advice.KeyRefusedError") in html_of(test)
    assert [b.key for b in test.button if b.key == "settings_measure_run"]
    press(test, "groups_measure_run")
    assert test.query_params["entry"] == "yew"


def test_all_words_change_with_the_language(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id, lang="zh")
    assert not test.exception
    assert "不足以区分" in html_of(test)


def test_a_saved_plan_is_measured_beside_a_model(bench: Workbench, tmp_path: Path) -> None:
    bench.models.available_models = [
        scripted_model(tmp_path, "planner", otherwise=PLAN),
        scripted_model(tmp_path, "small", otherwise="7"),
        scripted_model(tmp_path, "large", otherwise="It is 568."),
    ]
    SavedPlans().save("sums", OPTIONS)
    small = next(model.id for model in bench.models.get_available_models() if model.name == "small")
    kept = PromptSets().save(prompt_set(("What is (23 + 48) * (17 - 9)?", "568"), compare="contains"))
    test = opened()
    test.selectbox(key="measure_setup_prompts_0").select(kept.id).run()
    (models,) = [box for box in test.multiselect if str(box.key).startswith("measure_setup_models")]
    assert "plan:sums · plan" in models.options
    models.set_value(["plan:sums", small]).run()
    test.button(key="measure_start").click().run()
    assert not test.exception
    run = ended(bench, run_of(test))
    assert [cell.text for _, cell in sorted(run.cells.items(), key=lambda one: one[0].subject)] == ["It is 568.", "7"]
    assert [cell.correct for _, cell in sorted(run.cells.items(), key=lambda one: one[0].subject)] == [True, False]


def test_an_evaluation_is_set_up_again_as_it_was(adders: Workbench, tmp_path: Path) -> None:
    questions = tmp_path / "mine.json"
    questions.write_text('[{"question": "2 + 2?", "answer": 4, "compare": "numeric"}]', encoding="utf-8")
    options = {"shots": 0, "limit": 7, "chat": True, "seed": 9, "subjects": ("sums",)}
    task = {"name": str(questions), "options": options}
    judge = {"target": adders.models.get_available_models()[0].id, "mode": "rubric", "rubric": "It rhymes."}
    run = evaluated(adders, tasks=[task], judge=judge, repeats=2, seed=3)
    assert (run.state, run.title) == ("done", "Mine, mine")
    test = opened(run=run.id)
    test.button(key="measure_again").click().run()
    assert not test.exception
    test.button(key="measure_start").click().run()
    assert not test.exception
    again = ended(adders, run_of(test))
    assert again.id != run.id

    def asked(one: EvaluationRun) -> object:
        return one.spec.model_dump(exclude={"subjects", "prompts", "judge"}), one.spec.judge and one.spec.judge.rubric

    assert asked(again) == asked(run)
    assert again.spec.judge is not None and again.spec.judge.label == "knows · custom"


def test_models_are_crossed_with_presets_and_system_prompts_and_set_up_again_as_they_were(adders: Workbench) -> None:
    Presets().save("warm", {"temperature": 0.9})
    PromptLibrary().save("short", "Be brief.")
    PromptLibrary().save("to fill in", "Be {{how}}.")
    kept = PromptSets().save(ROWS)
    test = opened()
    test.selectbox(key="measure_setup_prompts_0").select(kept.id).run()
    assert "2 prompts × 2 models = 4 answers" in [one.value for one in test.caption]
    chosen(test, "presets").set_value(["", "warm"]).run()
    assert chosen(test, "systems").options == [i18n.translate("en", "measure.no_system"), "short"]
    chosen(test, "systems").set_value(["", "Be brief.", "Written by hand."]).run()
    chosen(test, "also_at").set_value([0.5]).run()
    assert any("at most 16" in one.value and "not 24" in one.value for one in test.caption)
    chosen(test, "also_at").set_value([]).run()
    chosen(test, "systems").set_value(["", "Be brief."]).run()
    assert "2 prompts × 2 models × 4 sets of parameters = 16 answers" in [one.value for one in test.caption]
    test.button(key="measure_start").click().run()
    assert not test.exception
    run = ended(adders, run_of(test))
    assert [one.name for one in run.spec.subjects][:4] == [
        "guesses · custom",
        "guesses · custom · “Be brief.”",
        "guesses · custom · warm",
        "guesses · custom · warm · “Be brief.”",
    ]
    shown = html_of(opened(run=run.id))
    assert "guesses · custom · warm" in shown
    test = opened(run=run.id)
    test.button(key="measure_again").click().run()
    Presets().delete("warm")
    test.button(key="measure_start").click().run()
    assert not test.exception
    assert any("no preset is called 'warm'; there are none yet" in one.value for one in test.toast)
    Presets().save("warm", {"temperature": 0.9})
    test.button(key="measure_start").click().run()
    again = ended(adders, run_of(test))
    assert again.id != run.id and again.spec.subjects == run.spec.subjects and again.spec.crossing == run.spec.crossing


def test_where_questions_of_the_hub_become_examples_it_is_said(adders: Workbench) -> None:
    test = opened()
    groups = test.pills if hasattr(test, "pills") else test.button_group
    (tasks,) = [box for box in groups if str(box.key).startswith("measure_setup_tasks")]
    tasks.set_value(["bbh"]).run()
    assert not test.exception
    assert any(
        "the first 5 questions of each subject are shown with their answers" in one.value for one in test.caption
    )
    assert any("bbh: 1,350 items" in one.value for one in test.caption)


def test_before_tasks_are_asked_it_is_said_what_so_many_items_can_show(adders: Workbench, tmp_path: Path) -> None:
    questions = tmp_path / "mine.json"
    rows = ", ".join(f'{{"question": "{n}?", "answer": {n}}}' for n in range(400))
    questions.write_text(f"[{rows}]", encoding="utf-8")
    test = opened()
    (file,) = [box for box in test.text_input if str(box.key).startswith("measure_setup_file")]
    file.set_value(str(questions)).run()
    assert any("mine_written: 50 items show a difference of" in one.value for one in test.caption)
    (file,) = [box for box in test.text_input if str(box.key).startswith("measure_setup_file")]
    file.set_value(str(tmp_path / "gone.json")).run()
    assert not test.exception
    assert any("gone" in one.value and "cannot read" in one.value for one in test.caption)


def test_only_the_subjects_that_are_named_are_asked_and_one_that_is_not_there_is_said(
    adders: Workbench, tmp_path: Path
) -> None:
    data = mmlu(tmp_path, 60, "anatomy", "law")
    test = opened()
    groups = test.pills if hasattr(test, "pills") else test.button_group
    (chosen,) = [box for box in groups if str(box.key).startswith("measure_setup_tasks")]
    chosen.set_value(["mmlu"]).run()
    field(test, "data").set_value(str(data)).run()
    assert any("mmlu: 100 items show" in one.value for one in test.caption)
    field(test, "subjects").set_value("mmlu/law").run()
    assert any("mmlu: 50 items show" in one.value for one in test.caption)
    for wrong, said in (("laws", "has no subject"), ("ceval/law", "is of a task that is not asked")):
        field(test, "subjects").set_value(wrong).run()
        assert not test.exception
        assert any(said in one.value for one in test.caption)


@pytest.mark.slow
@pytest.mark.skipif(not DEMO.exists(), reason="the demo models are not made yet")
def test_the_prompt_of_a_scored_choice_is_shown_as_the_model_saw_it(bench: Workbench, tmp_path: Path) -> None:
    bench.models.available_models = [model_at(DEMO)]
    task = {"name": "mmlu", "data": str(mmlu(tmp_path, 2)), "options": {"shots": 2}}
    run = evaluated(bench, None, tasks=[task])
    assert [cell.how for cell in run.cells.values()] == ["scored", "scored"], run.cells
    test = opened(run=run.id)
    test.session_state["measure_prompt_seen_a_0"] = True
    pick(test, run, 1)
    assert not test.exception
    prompt = next(block.value for block in test.code if "multiple choice" in block.value)
    assert prompt.startswith("The following are multiple choice questions (with answers) about sums.\n\n0?\nA. 1")
    assert prompt.endswith("Answer: A\n\n1?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:")


def test_the_page_says_how_to_have_opencompass_and_that_its_figures_differ(bench: Workbench) -> None:
    test = opened()
    said = next(one.value for one in test.caption if "OpenCompass" in one.value)
    assert INSTALL in [code.value for code in test.code]
    assert "llm-cooperation jobs opencompass --python" in said and "differ by design" in said


@pytest.mark.slow
@pytest.mark.skipif(not DEMO.exists() or find_spec("lm_eval") is None, reason="needs a demo model and lm-eval")
def test_a_task_of_lm_eval_runs_as_a_job_and_shows_its_figures(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_warm_jobs(monkeypatch)
    write_tasks(tmp_path)
    model = model_at(DEMO)
    bench.models.available_models = [model]
    test = opened()
    assert test.button(key="measure_lm_eval_start").disabled
    spec = lm_eval_spec(model, tasks=["own_choice"], include_path=str(tmp_path), n_ctx=256)
    job = bench.bridge.run(bench.jobs.start(spec))
    bench.bridge.run(job.wait(), timeout_s=JOB_S)
    assert job.state == "done", job.snapshot().log_tail
    test = opened(run=job.id)
    assert not test.exception
    assert "own_choice" in html_of(test) and "acc" in html_of(test)
    assert 'data-job="done"' in html_of(test)


def test_a_prompt_goes_into_a_set_with_its_images_and_back_into_compare(bench: Workbench) -> None:
    async def ask() -> ComparisonSnapshot:
        comparison = await bench.comparisons.create([Pane.new(bench.models.get_available_models()[0].id)])
        await comparison.send("What is it?", images=[await read_image("a", image_bytes(PIXEL))])
        await comparison.wait()
        return comparison.snapshot()

    snapshot = bench.bridge.run(ask(), timeout_s=PATIENCE_S)
    test = AppTest.from_function(adding_page, args=(snapshot.id,), default_timeout=PATIENCE_S).run()
    test.button(key=f"compare_add_to_set_{snapshot.id}").click().run()
    assert not test.exception
    (facts,) = PromptSets().list()
    (row,) = PromptSets().load(facts.id).rows
    assert row.images == tuple(image.url for image in snapshot.images_of(snapshot.turns[0]))
    run = evaluated(bench, PromptSets().load(facts.id))
    test = pick(opened(run=run.id), run, 0)
    assert "mlc-thumbnail" in html_of(test) and row.images[0][:60] in html_of(test)
    test.button(key="measure_in_compare").click().run()
    assert not test.exception
    again = bench.bridge.run(bench.comparisons.get(run_of(test)))
    assert [len(turn.images) for turn in again.snapshot().turns] == [1]


def test_hostile_text_is_shown_and_never_drawn(adders: Workbench) -> None:
    evil = "![x](http://127.0.0.1/x) <img src=x onerror=alert(1)> $x$"
    prompts = checked_set("made", name=evil, rows=[{"id": "1", "prompt": evil, "expected": evil, "compare": "exact"}])
    run = evaluated(adders, prompts, title=evil)
    test = pick(opened(run=run.id), run, 0)
    assert not test.exception
    assert "<img" not in html_of(test)
    assert "![x]" not in test.title[0].value


def test_history_knows_evaluations_and_opens_them(adders: Workbench) -> None:
    run = evaluated(adders, title="Sums")
    test = opened("history")
    assert not test.exception
    shown = html_of(test)
    assert "Sums" in shown
    # By their names, not by the ids that they were asked by.
    assert all(f"</span>{model.name}</span>" in shown for model in adders.models.get_available_models()[:2])
    assert run.state == "done"


def test_a_comparison_is_added_to_a_set_with_one_click(bench: Workbench) -> None:
    kept = PromptSets().save(ROWS)
    comparison = asked(bench, "ash", prompt="And then?")

    test = AppTest.from_function(adding_page, args=(comparison.id,), default_timeout=PATIENCE_S).run()
    test.button(key=f"compare_add_to_set_{comparison.id}").click().run()
    assert not test.exception
    assert [row.prompt for row in PromptSets().load(kept.id).rows][-1] == "And then?"
    test.selectbox(key=f"compare_to_set_{comparison.id}").select("").run()
    test.button(key=f"compare_add_to_set_{comparison.id}").click().run()
    assert {facts.name for facts in PromptSets().list()} == {"Mine", "And then?"}
