"""Runs that ended are told to MLflow, where the settings name one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.mlflow_feed import MAX_WAITING, MlflowFeed, ToldRun
from multi_llm_comparator.told_runs import feed_of
from multi_llm_comparator.tracking.mlflow_log import local_uri
from multi_llm_comparator.tracking.store import Store
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
