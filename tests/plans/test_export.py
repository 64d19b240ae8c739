"""Plan runs as files: complete, harmless wherever they are opened, in the reader's language."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.export import export_plan_run
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.outlook import Profile, Profiles
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.words import WORDS
from multi_llm_comparator.prediction.outlook import outlook_of
from tests.support.as_then import as_then
from tests.support.finished_plan import finished_plan
from tests.support.markdown_reader import tokens
from tests.support.scripted_source import ScriptedSource

GOLDEN = Path(__file__).with_name("golden")
EXECUTOR = ExecutorOptions(small_model="birch", large_model="cedar", threshold=5, workers=2)
OPTIONS = PlanOptions(executor=EXECUTOR, router_model="ash")
PROFILES: Profiles = {
    ("birch", "step"): Profile(0.5, 10.0),
    ("cedar", "step"): Profile(1.0, 5.0),
    ("cedar", "answer"): Profile(1.0, 5.0),
    ("ash", "plan"): Profile(2.0, 0.5),
}


@pytest.fixture
def run() -> PlanRun:
    return finished_plan(OPTIONS)


def exported(run: PlanRun, format: str, language: Language = "en") -> str:
    return export_plan_run((run, None), format, language).decode()


@pytest.mark.parametrize("format", ["html", "xml"])
def test_an_export_is_what_it_was_in_the_first_version(run: PlanRun, format: str) -> None:
    """But for its charts and its style, which are others now."""
    expected = (GOLDEN / f"plan_run.{format}").read_text(encoding="utf-8")
    assert without_looks(exported(run, format)) == without_looks(expected)


def test_json_has_all_that_it_had_in_the_first_version(run: PlanRun) -> None:
    expected, data = (
        json.loads((GOLDEN / "plan_run.json").read_text(encoding="utf-8")),
        json.loads(exported(run, "json")),
    )
    assert as_then(data["run"], expected["run"]).items() >= expected["run"].items()
    assert {**as_then(data, expected), "run": 0} == {**expected, "run": 0}


def without_looks(page: str) -> str:
    return re.sub(r"<(svg|style).*?</\1>", "", page, flags=re.DOTALL)


def test_a_page_loads_nothing_and_shows_what_others_wrote_as_it_is(run: PlanRun) -> None:
    page = exported(run, "html", "zh")
    assert "What is &lt;b&gt;it&lt;/b&gt;?" in page
    assert "<b>it</b>" not in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("format", ["html", "markdown"])
def test_an_export_speaks_the_language_that_was_asked_for(run: PlanRun, format: str, language: Language) -> None:
    run.steps["2"].state, run.steps["2"].answer = "failed", None
    words, text = WORDS[language], exported(run, format, language)
    for key in ("figures", "figure_wall", "step_failed"):
        assert words[key] in text
    assert words["missing"].format(steps="2") in text
    assert ("6.0 s" in text) == (language == "en")


def test_the_plan_and_the_chart_can_be_read(run: PlanRun) -> None:
    assert parse_plan(exported(run, "xml")) == run.plan
    assert ElementTree.fromstring(exported(run, "svg")).tag.endswith("svg")


def test_csv_has_a_row_for_each_step_and_nothing_that_a_spreadsheet_would_run(run: PlanRun) -> None:
    run.steps["3"].answer = "=cmd()"
    data = export_plan_run((run, None), "csv")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert (rows[2]["rely"], rows[2]["answer"], rows[2]["target"]) == ("1, 2", "'=cmd()", "cedar")
    assert rows[0]["started_at_utc"] == "1970-01-01T00:01:40.600Z"


def test_markdown_holds_whatever_models_wrote_as_it_is(run: PlanRun) -> None:
    run.steps["1"].answer = "```\n# not a heading\n<script>"
    found = list(tokens(exported(run, "markdown")))
    assert "```\n# not a heading\n<script>\n" in [token.content for token in found if token.type == "fence"]
    assert not [token for token in found if token.type.startswith("html")]


def test_a_run_without_a_plan_is_exported_as_far_as_it_came() -> None:
    bare = PlanRun(ScriptedSource(), "Why?", OPTIONS, run_id="r2")
    for format in export_plan_run.formats:
        if format != "xml":
            assert export_plan_run((bare, None), format)
    with pytest.raises(ConfigurationError, match="no plan yet"):
        export_plan_run((bare, None), "xml")


def test_another_format_is_refused_with_those_that_there_are(run: PlanRun) -> None:
    with pytest.raises(ConfigurationError, match=r"'pdf'.*html, json"):
        export_plan_run((run, None), "pdf")


def test_what_was_predicted_stands_in_the_files(run: PlanRun) -> None:
    outlook = outlook_of(run, PROFILES)
    data = json.loads(export_plan_run((run, outlook), "json"))
    assert data["theory"]["total_s"] > 0
    assert data["large_alone"]["tokens"] == 15
    assert "cedar" in export_plan_run((run, outlook), "html").decode()


def test_json_names_what_everything_is(run: PlanRun) -> None:
    data = json.loads(exported(run, "json"))
    assert data["run"]["answer"] == "7 & more"
    assert [step["step"]["id"] for step in data["steps"]] == ["1", "2", "3"]


def test_a_speed_that_json_cannot_hold_is_left_out(run: PlanRun) -> None:
    outlook = outlook_of(run, {**PROFILES, ("birch", "step"): Profile(0.5, float("inf"))})
    data = json.loads(export_plan_run((run, outlook), "json"), parse_constant=pytest.fail)
    [birch] = [profile for profile in data["theory"]["profiles"] if profile["target"] == "birch"]
    assert birch["tokens_per_second"] is None
