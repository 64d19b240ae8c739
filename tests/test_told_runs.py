"""Runs that ended are told to MLflow, where the settings name one."""

from __future__ import annotations

import asyncio
import posixpath
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec
from multi_llm_comparator.evaluation.statistics.intervals import wilson
from multi_llm_comparator.jobs.events import Result
from multi_llm_comparator.jobs.registry import JobRegistry
from multi_llm_comparator.jobs.spec import make_spec
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.services.mlflow_feed import MAX_WAITING, MlflowFeed, ToldRun
from multi_llm_comparator.told_runs import feed_of, figures_of
from multi_llm_comparator.tracking.mlflow_log import local_uri, metric_name
from multi_llm_comparator.tracking.store import Store
from tests.evaluation.measuring.making import evaluation, no_tasks, prompt_set
from tests.jobs.conftest import Roomy
from tests.plans.test_plan_run import ByTarget
from tests.support.made_runs import MadeRuns


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[MadeRuns]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    made = MadeRuns(store)
    yield made
    await made.aclose()
    store.close()


async def all_told(feed: MlflowFeed, made: MadeRuns | None = None) -> None:
    while made is not None and made.runs._watched:
        await asyncio.sleep(0.01)
    assert feed._work is not None
    await feed._work


@pytest.mark.slow
async def test_a_comparison_is_told_with_its_speeds_and_once_only_though_it_goes_on(
    made: MadeRuns, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    feed = feed_of(Settings(home=tmp_path, mlflow_uri="local"), made.runs)
    assert feed is not None
    await made.plan()
    run_id = await made.comparison()
    await all_told(feed, made)
    comparison = await made.comparisons.get(run_id)
    await comparison.send("And again?")
    await comparison.wait()
    await all_told(feed, made)
    assert feed.problem is None
    client = MlflowClient(tracking_uri=local_uri(tmp_path))
    experiments = {found.name: found.experiment_id for found in client.search_experiments()}
    (told,) = client.search_runs([experiments["comparison"]])
    assert told.info.status == "FINISHED" and told.data.tags["workbench_run"] == run_id
    assert told.data.metrics["pane_1/tokens"] > 0
    assert [file.path for file in client.list_artifacts(told.info.run_id)] == ["run.json"]
    (plan,) = client.search_runs([experiments["plan"]])
    assert plan.data.metrics["wall_s"] >= 0


@pytest.mark.slow
async def test_an_evaluation_is_told_with_its_scores_and_their_intervals(made: MadeRuns, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    feed = feed_of(Settings(home=tmp_path, mlflow_uri="local"), made.runs)
    assert feed is not None
    evaluations = EvaluationRegistry(made.runs, Sources(ByTarget(small="7", large="568")), no_tasks)
    prompts = prompt_set(*((f"{n} + 7 - {n}", "7") for n in range(20)), compare="numeric")
    run = await evaluations.start(named(evaluation(prompts, "small", "large", title="Sums")))
    await run.wait()
    await all_told(feed, made)
    assert feed.problem is None
    client = MlflowClient(tracking_uri=local_uri(tmp_path))
    (told,) = client.search_runs([found.experiment_id for found in client.search_experiments()])
    assert (told.info.run_name, told.data.tags["workbench_run"]) == ("Sums", run.id)
    figures = {name: value for name, value in told.data.metrics.items() if name.startswith("prompts/small - T-0")}
    assert sorted(figures.values()) == pytest.approx(sorted((1.0, *wilson(20, 20))))
    assert [file.path for file in client.list_artifacts(told.info.run_id)] == ["run.json"]


def named(spec: EvaluationSpec) -> EvaluationSpec:
    """With names as the page gives them, which have characters that MLflow takes in no name."""
    subjects = (subject.model_copy(update={"label": f"{subject.target} · T=0"}) for subject in spec.subjects)
    return spec.model_copy(update={"subjects": tuple(subjects)})


@given(st.text(max_size=400) | st.from_regex(r"[./ ·]{0,8}", fullmatch=True))
def test_any_name_becomes_one_that_mlflow_takes(name: str) -> None:
    """By MLflow's rule: these characters, at most 250, and nothing that would be another path."""
    text = metric_name(name)
    assert re.fullmatch(r"[/\w.\- :]{1,250}", text)
    assert posixpath.normpath(text) == text and not text.startswith(("/", ".."))
    assert metric_name(text) == text


async def test_a_job_that_has_another_program_measure_has_its_figures(made: MadeRuns, tmp_path: Path) -> None:
    # Nothing is started: the queue is not opened.
    jobs = JobRegistry(made.runs, tmp_path / "jobs", Roomy())
    options = {"model": "m", "base_url": "http://127.0.0.1:1/v1", "python": "p"}
    measuring = await jobs.start(make_spec({"kind": "opencompass", "title": "m", "options": options}))
    assert figures_of(measuring) == {}
    results = {"ceval-law": {"accuracy": 40.0}, "arc": {"acc,none": 0.5, "acc_stderr,none": 0.1}, "odd": 3}
    measuring.account.add(Result(values={"results": results}))
    measuring.show()
    known = {"ceval-law/accuracy": 40.0, "arc/acc": 0.5, "arc/acc/low": 0.304, "arc/acc/high": 0.696}
    assert figures_of(measuring) == pytest.approx(known)
    tuning = await jobs.start(make_spec({"kind": "tuning", "title": "t", "options": {}}))
    assert figures_of(tuning) is None


async def test_whoever_is_told_of_a_run_is_waited_for_at_the_end_of_the_process(made: MadeRuns) -> None:
    told: list[str] = []

    async def tell(run: LiveRun) -> None:
        await asyncio.sleep(0.05)
        told.append(run.id)

    made.runs.when_ended(tell)
    run_id = await made.comparison()
    await made.runs.settle()
    assert told == [run_id]


@pytest.mark.slow
async def test_a_server_that_is_not_there_is_said_and_nothing_else_happens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{unused.getsockname()[1]}"
    feed = MlflowFeed(address)
    feed.tell(ToldRun(run_id="r", experiment="comparison", name="one", state="done"))
    await all_told(feed)
    assert feed.problem is not None and "MLflow" in feed.problem and "secret" not in feed.problem


async def test_of_more_runs_than_can_wait_the_oldest_are_left_out_and_that_is_said() -> None:
    feed = MlflowFeed("sqlite:////nowhere/at/all.db")
    for number in range(MAX_WAITING + 1):
        feed.tell(ToldRun(run_id=str(number), experiment="plan", name="", state="done"))
    assert feed.problem is not None and "oldest" in feed.problem
    assert feed._work is not None
    feed._work.cancel()


def test_without_a_setting_nobody_is_told(made: MadeRuns) -> None:
    assert feed_of(Settings(mlflow_uri=""), made.runs) is None
