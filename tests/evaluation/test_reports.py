from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.datasets import Question
from multi_llm_comparator.evaluation.judging import Verdict, parse_scores
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome, outcome_of
from multi_llm_comparator.evaluation.report_dataset import accuracy_by, planning_figures, write_dataset_report
from multi_llm_comparator.evaluation.report_single import in_one_line, write_run_report
from multi_llm_comparator.evaluation.reports import quoted, report_folder, table, write_csv
from multi_llm_comparator.evaluation.task_split import read_results, split_by_difficulty
from multi_llm_comparator.plans.outlook import Key, Outlook, Profile
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_gantt import GanttWords, gantt_of
from multi_llm_comparator.plans.run_graph import graph_of
from multi_llm_comparator.prediction.outlook import outlook_of
from tests.evaluation.test_judging import scores
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS, ByTarget

PROFILES: dict[Key, Profile] = {
    ("small", "step"): Profile(0.01, 1000.0),
    ("large", "step"): Profile(0.02, 500.0, answers=12),
    ("planner", "plan"): Profile(0.01, 1000.0),
}


async def solved(question: str = "What | is <b>it</b>?", large: str | None = "568") -> PlanRun:
    run = PlanRun(ByTarget(planner=PLAN, small="7", large=large), question, OPTIONS, run_id="r")
    await run.execute()
    return run


def verdict(part: Any) -> Verdict:
    return Verdict(part=part, judge="judge", scores=parse_scores(part, scores(part)))


def pictures(report: Path) -> list[Path]:
    return [report.parent / name for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", report.read_text(encoding="utf-8"))]


async def test_the_report_of_a_question_has_answer_figures_charts_and_theory(tmp_path: Path) -> None:
    run = await solved()
    outlook = outlook_of(run, PROFILES)
    assert outlook.prediction is not None and outlook.prediction.error is not None
    report = write_run_report(tmp_path, run, outlook, verdicts=[verdict("planner")])
    text = report.read_text(encoding="utf-8")
    for expected in (
        "568",
        "compression ratio",
        "0.667",
        "critical path",
        "predicted",
        "completeness",
        "because",
        "planner → ",
        "`large` alone would have taken",
        "by its 12 earlier answers",
    ):
        assert expected in text
    assert pictures(report)
    for picture in pictures(report):
        ElementTree.parse(picture)
    data = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert data["theory"]["critical_path"][-1] == "3"
    assert data["metrics"]["steps"] == 3
    assert len(list(csv.DictReader((tmp_path / "steps.csv").open(encoding="utf-8")))) == 3
    assert parse_plan((tmp_path / "plan.xml").read_text(encoding="utf-8")) == run.plan


async def test_a_speed_without_end_is_null_in_the_file_of_a_run(tmp_path: Path) -> None:
    run = await solved()
    write_run_report(tmp_path, run, outlook_of(run, {**PROFILES, ("small", "step"): Profile(0.01, float("inf"))}))
    data = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    [small] = [profile for profile in data["theory"]["profiles"] if profile["target"] == "small"]
    assert small["tokens_per_second"] is None


async def test_a_run_without_an_answer_has_a_report_that_says_why(tmp_path: Path) -> None:
    run = await solved(large=None)
    report = write_run_report(tmp_path, run, outlook_of(run, PROFILES))
    assert "out of order" in report.read_text(encoding="utf-8")


async def test_the_report_says_which_steps_have_no_answer(tmp_path: Path) -> None:
    run = await solved()
    assert "Without an answer" not in write_run_report(tmp_path, run).read_text(encoding="utf-8")
    run.steps["2"].state, run.steps["2"].answer = "failed", None
    assert "Without an answer: steps 2." in write_run_report(tmp_path, run).read_text(encoding="utf-8")


async def test_the_report_says_which_answers_were_cut_and_of_whom_nothing_is_known(tmp_path: Path) -> None:
    run = await solved()
    text = write_run_report(tmp_path, run, outlook_of(run, PROFILES)).read_text(encoding="utf-8")
    assert "Cut at their" not in text and "no earlier run" not in text
    run.steps["2"].attempts[-1].progress.finish_reason = "length"
    text = write_run_report(tmp_path, run, Outlook(None, None, ("large",))).read_text(encoding="utf-8")
    assert "the end may be missing: steps 2." in text
    assert "No prediction: no earlier run tells how these work: `large`." in text
    assert "how long `large` alone would have taken is not known: no earlier run tells how fast it is." in text


async def test_one_line_says_what_a_run_took_and_the_large_model_alone() -> None:
    run = await solved()
    line = in_one_line(run, outlook_of(run, PROFILES))
    assert re.fullmatch(r"[\d.]+ s, predicted [\d.]+ s for .* s without loading; `large` alone .* times as \w+", line)
    failed = await solved(large=None)
    assert "is not known: there is no answer" in in_one_line(failed, outlook_of(failed, {}))


async def test_the_report_draws_which_step_needs_which(tmp_path: Path) -> None:
    run = await solved()
    assert tmp_path / "dag.svg" in pictures(write_run_report(tmp_path, run))
    drawn = ElementTree.parse(tmp_path / "dag.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    heights = {(c[0].text or "").partition(":")[0]: float(c.get("cy") or 0) for c in drawn.iter(f"{space}circle")}
    assert heights["1"] == heights["2"] < heights["3"]
    assert len(list(drawn.iter(f"{space}polygon"))) == 2


async def test_a_run_without_steps_has_no_graph() -> None:
    assert graph_of(PlanRun(ByTarget(), "q", OPTIONS, run_id="r"), ()) == ""


async def test_a_long_run_is_drawn_up_to_its_aggregation() -> None:
    steps = [Step(str(n), "Do it.", 2, 9) for n in range(1, 260)]
    run = PlanRun(ByTarget(small="7", large="568"), "q", OPTIONS, run_id="r")
    await run.execute(plan=Plan(tuple(steps)))
    words = GanttWords(title="何时", left_out="另有 {n} 行", answer="汇总")
    chart = gantt_of(run, (), words=words)
    assert "何时 (另有 60 行)" in chart and "汇总" in chart and "198:" in chart and "200:" not in chart
    assert "(without 59 more rows)" in graph_of(run, ())


async def outcomes() -> list[QuestionOutcome]:
    questions = [
        Question("1", "q1", "568", subject="maths", difficulty="easy"),
        Question("2", "=q2", "9", subject="maths", difficulty="hard"),
        Question("3", "q3"),
    ]
    return [outcome_of(q, await solved(q.text), (verdict("executor"),)) for q in questions]


async def test_the_report_of_a_data_set_has_accuracy_and_the_planning_figures(tmp_path: Path) -> None:
    found = await outcomes()
    report = write_dataset_report(tmp_path, found, {"data set": "x.json"}, notes=["A note."])
    assert report.name == "dataset_report.md"
    text = report.read_text(encoding="utf-8")
    for expected in ("50.0%", "mean steps per question | 3", "0.667", "mean token limit per step | 60", "A note."):
        assert expected in text
    names = {picture.name for picture in pictures(report)}
    assert names == {"tokens.svg", "time.svg", "accuracy_by_difficulty.svg", "accuracy_by_subject.svg"}
    assert all(picture.exists() for picture in pictures(report))
    assert read_results(tmp_path / "dataset_results.json") == found
    assert accuracy_by(found, lambda o: o.difficulty) == {"easy": (1, 1), "hard": (0, 1)}
    assert planning_figures(found).mean_compression_ratio == pytest.approx(2 / 3)


async def test_steps_are_counted_by_difficulty_and_by_who_solved_them(tmp_path: Path) -> None:
    found = await outcomes()
    rows = {row.difficulty: row for row in split_by_difficulty(found)}
    assert (rows[2].small, rows[2].large, rows[6].small, rows[6].large) == (6, 0, 0, 3)
    assert (rows[None].steps, rows[None].share_small) == (9, pytest.approx(2 / 3))
    assert rows[6].large_tokens == 9
    by_threshold = {row.difficulty: row for row in split_by_difficulty(found, 2)}
    assert by_threshold[None].large == 9
    (tmp_path / "x.json").write_text('[{"id": 1}]', encoding="utf-8")
    for name in ("x.json", "absent.json"):
        with pytest.raises(DocumentError, match=name):
            read_results(tmp_path / name)


def test_a_report_with_nothing_in_it_can_be_written(tmp_path: Path) -> None:
    assert "–" in write_dataset_report(tmp_path, [], {}).read_text(encoding="utf-8")


def test_folders_are_by_models_and_time_and_never_outside_their_place(tmp_path: Path) -> None:
    folder = report_folder(tmp_path, "single", ["../../etc/x", "a/b", "a/b", ".."])
    assert folder.parent.parent == tmp_path / "single"
    assert folder.parent.name == "etc-x__a-b__model"
    folder.mkdir(parents=True)
    assert report_folder(tmp_path, "single", ["../../etc/x", "a/b", ".."]) != folder


def test_foreign_text_cannot_break_out_of_its_place(tmp_path: Path) -> None:
    foreign = ("x|y\nz", "<script>", "![seen](http://elsewhere/pixel)")
    row = r"| x\|y z | \<script\> | \!\[seen\](http://elsewhere/pixel) |"
    assert table(("a", "b", "c"), [foreign]).splitlines()[2] == row
    assert quoted("a\n```\nb").startswith("````text\n")
    write_csv(tmp_path / "x.csv", [{"a": "=1+1", "b": -1}])
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "a,b\n'=1+1,-1\n"
