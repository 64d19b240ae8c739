"""A job has OpenCompass measure a model over the API. A small program with its layout stands in for OpenCompass, which
cannot be installed beside us; the API is ours."""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError
from multi_llm_comparator.evaluation.lm_eval_job import metrics_of
from multi_llm_comparator.evaluation.opencompass_config import OpenCompassOptions, configuration, items_of, read_summary
from multi_llm_comparator.evaluation.opencompass_job import DIFFERS, run
from multi_llm_comparator.jobs.events import Artefact, JobEvent, JobNote, Result
from multi_llm_comparator.jobs.report import Report
from tests.support.gateways import hang
from tests.support.opencompass_like import interpreter_like_opencompass
from tests.support.served_api import ServedApi, served_api, until


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with served_api(tmp_path / "api") as served:
        served.source.usual["m"] = "A"
        yield served


@pytest.fixture
def python(tmp_path: Path) -> str:
    return str(interpreter_like_opencompass(tmp_path / "env"))


async def job(api: ServedApi, python: str, folder: Path, stop: list[bool] | None = None, **more: Any) -> list[JobEvent]:
    told: list[JobEvent] = []

    def take(event: JobEvent) -> None:
        told.append(event)

    options = {"model": "m", "base_url": f"{api.url}/v1", "python": python, **more}
    await asyncio.to_thread(run, options, folder, Report(take, lambda: bool(stop)))
    return told


async def test_a_model_is_measured_over_the_api_and_the_table_is_read(
    api: ServedApi, python: str, tmp_path: Path
) -> None:
    told = await job(api, python, tmp_path, limit=5, tokenizer="/tokens")
    (result,) = (event.values for event in told if isinstance(event, Result))
    right = {"accuracy": 100.0}
    names = ["ceval-law", "ceval-logic", "lukaemon_mmlu_anatomy", "lukaemon_mmlu_astronomy"]
    assert result == {"results": dict.fromkeys(names, right), "items": dict.fromkeys(names, 1)}
    assert {(one.value, round(one.low or 0), round(one.high or 0)) for one in metrics_of(result)} == {(100.0, 21, 100)}
    request = api.source.requests[0]
    assert (request.config.temperature, request.config.max_tokens) == (0, 64)
    assert "[0:5]" in request.messages[0].content
    (kept,) = (event.path for event in told if isinstance(event, Artefact))
    assert read_summary(Path(kept))["ceval-law"] == right
    # That its numbers are not lm-eval's is said beside them.
    assert DIFFERS in [event.text for event in told if isinstance(event, JobNote)]


async def test_only_the_subjects_that_are_named_are_measured(api: ServedApi, python: str, tmp_path: Path) -> None:
    told = await job(api, python, tmp_path, datasets=["mmlu"], subjects=["anatomy"])
    (result,) = (event.values for event in told if isinstance(event, Result))
    assert result["results"].keys() == {"lukaemon_mmlu_anatomy"} and len(api.source.asked) == 1


async def test_what_could_not_be_measured_is_said(api: ServedApi, python: str, tmp_path: Path) -> None:
    api.source.script("m", "A", InferenceError("broken"))
    told = await job(api, python, tmp_path, datasets=["ceval"])
    (result,) = (event.values for event in told if isinstance(event, Result))
    assert result["results"].keys() == {"ceval-law"}
    assert any("not measured: ceval-logic" in event.text for event in told if isinstance(event, JobNote))
    api.source.usual["broken"] = InferenceError("broken")
    with pytest.raises(InferenceError, match="measured nothing"):
        await job(api, python, tmp_path / "other", model="broken", datasets=["ceval"])


async def test_a_job_that_is_stopped_ends_what_it_started(api: ServedApi, python: str, tmp_path: Path) -> None:
    api.source.usual["m"] = hang
    stop: list[bool] = []
    work = asyncio.create_task(job(api, python, tmp_path, stop))
    await until(lambda: api.source.running.total() > 0)
    stop.append(True)
    told = await work
    assert not any(isinstance(event, Result) for event in told)
    await until(lambda: not api.source.running.total())


async def test_where_opencompass_is_not_it_is_said_how_to_have_it(api: ServedApi, tmp_path: Path) -> None:
    for python in (sys.executable, str(tmp_path / "nowhere")):
        with pytest.raises(ConfigurationError, match="pip install opencompass=="):
            await job(api, python, tmp_path)
    assert api.source.asked == []


def test_answers_are_counted_as_far_as_they_can_be_read(tmp_path: Path) -> None:
    place = tmp_path / "20300101_000000" / "predictions" / "m"
    place.mkdir(parents=True)
    for name, text in {"law": '{"0": 1, "1": 2}', "logic": "[1, 2, 3]", "cut": '{"0": ', "odd": "7"}.items():
        (place / f"{name}.json").write_text(text, encoding="utf-8")
    assert items_of(tmp_path, ("law", "logic", "cut", "odd", "gone")) == {"law": 2, "logic": 3}
    assert items_of(tmp_path, ()) == items_of(tmp_path / "nowhere", ("law",)) == {}


@given(name=st.text(min_size=1, max_size=40), path=st.text(min_size=1, max_size=40))
def test_whatever_a_model_is_called_it_stays_a_literal(name: str, path: str) -> None:
    fields = {"model": name, "base_url": "http://127.0.0.1:1/v1", "python": "p", "tokenizer": path}
    wanted = OpenCompassOptions.model_validate(fields)
    *_, last = ast.parse(configuration(wanted)).body
    assert isinstance(last, ast.Assign) and isinstance(last.value, ast.List)
    (call,) = last.value.elts
    assert isinstance(call, ast.Call)
    given_ = {word.arg: word.value for word in call.keywords}
    assert ast.literal_eval(given_["path"]) == name and ast.literal_eval(given_["tokenizer_path"]) == path


@pytest.mark.parametrize(
    "wrong",
    [{"base_url": "ftp://x"}, {"base_url": "http://a'b"}, {"datasets": ["x"]}, {"subjects": ["a b"]}, {"wished": 1}],
)
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpenCompassOptions(**{"model": "m", "base_url": "http://127.0.0.1:1/v1", "python": "p", **wrong})


@pytest.mark.parametrize("text", ["", "a,b\n", "dataset,version,metric,mode\n", "dataset,version,metric,mode,m,n\n"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary_1.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InferenceError, match="no table"):
        read_summary(tmp_path / "summary_1.csv")
