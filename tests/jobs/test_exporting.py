"""Jobs as files, and as lists show them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.jobs.export import export_job
from multi_llm_comparator.tracking.records import RunFilter
from tests.jobs.conftest import opened, over, trial

pytestmark = pytest.mark.usefixtures("warm_jobs")


async def test_a_job_can_be_exported_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        job = await over(await jobs.start(trial(steps=2)))
    data = json.loads(export_job(job, "json"))
    assert (data["state"], data["kind"], data["spec"]["options"]) == ("done", "trial", {"steps": 2})
    assert [point[:2] for point in data["curves"]["loss"]] == [[1, 1.0], [2, 0.5]]
    assert data["samples"][0]["answer"] == "2" and data["result"]["counted"] == 2
    table = export_job(job, "csv").decode("utf-8-sig").splitlines()
    assert table[0] == "series,step,value,measured_at_utc" and table[1].startswith("loss,1,1.0,20")
    with pytest.raises(ConfigurationError, match="'html'"):
        export_job(job, "html")
    assert export_job.formats == ("json", "csv")


async def test_a_job_is_listed_with_what_came_out_and_found_by_its_options(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        await over(await jobs.start(trial(steps=1, model="<demo>", data_path="/data/recipes.json"), parent_id="a-grid"))
        (found,) = await jobs.runs.list(RunFilter(text="RECIPES"))
    assert (found.models, found.detail, found.parent_id) == (("<demo>",), "1 of 1 steps, loss 1", "a-grid")
