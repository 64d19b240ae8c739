from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from multi_llm_comparator.tracking.mlflow_log import MlflowLog, local_uri, shown_uri
from multi_llm_comparator.training.job import tune_in
from tests.training.tunings import PAIRS, Told, options_for


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "pairs.json").write_text(json.dumps(PAIRS), encoding="utf-8")
    return tmp_path / "pairs.json"


def test_parameters_curves_hashes_samples_and_the_adapter_are_told_and_a_resumed_tuning_is_one_run(
    data: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    uri = local_uri(tmp_path)
    options = options_for(data, None, mlflow_uri=uri, validation_share=0.2)
    work, adapter = tmp_path / "work", tmp_path / "adapter"
    tune_in(options, work, Told(stops_at=3), adapter=adapter)
    tune_in(options, work, Told(), adapter=adapter)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tuning")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["rank"] == "8" and run.data.params["data.split.share"] == "0.2"
    assert len(run.data.tags["model_hash"]) == len(run.data.tags["data_hash"]) == 64
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
    assert sorted(steps) == list(range(1, 9))
    assert client.get_metric_history(run.info.run_id, "validation_loss")
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"adapter", "samples.json", "data.json"} <= names


def test_a_server_that_does_not_answer_ends_no_tuning_and_is_said_once(data: Path, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{unused.getsockname()[1]}"
    told = Told()
    tune_in(
        options_for(data, None, mlflow_uri=address, epochs=1), tmp_path / "work", told, adapter=tmp_path / "adapter"
    )
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert told.notes.count("MLflow at") == 1 and "secret" not in told.notes


def test_a_log_that_fails_later_says_so_and_takes_no_more(tmp_path: Path) -> None:
    problems: list[str] = []
    log = MlflowLog(local_uri(tmp_path), "tuning", "one", on_problem=problems.append)
    assert log.is_open and log.run_id
    log.run_id = "none such"
    log.params({"rank": 4})
    log.point("loss", 1, 2.0)
    log.end("FINISHED")
    assert len(problems) == 1 and "not told there any more" in problems[0]
    assert not log.is_open


def test_an_address_is_shown_without_its_password() -> None:
    assert shown_uri("https://a:b@host:1/x?token=c") == "https://host:1/x"
