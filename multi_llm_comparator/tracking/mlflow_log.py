"""Runs told to MLflow, for who keeps their experiments there. Imported where a run works, never in the app's start.

A tracking server that fails ends no run: it is said once, and the rest of the run is not told.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

DATABASE, ARTEFACTS = "mlflow.db", "mlflow-artefacts"
# What MLflow takes at once.
BATCH_POINTS, BATCH_PARAMS, MAX_PARAM_CHARS = 500, 100, 500
MAX_NAME_CHARS = 250
_REFUSED = re.compile(r"[^/\w.\- :]")
FLUSH_EVERY_S = 5.0
# MLflow's own would have a run wait for minutes on a server that is gone.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
_KNOWN_AS = "workbench_run"
MAX_ARTEFACT_BYTES = 512 * 2**20


def local_uri(home: Path) -> str:
    """Where MLflow keeps runs when nobody names a server: a database in the home folder."""
    return f"sqlite:///{home.absolute() / DATABASE}"


def shown_uri(uri: str) -> str:
    """A tracking URI without the name and password that may stand in it."""
    parts = urlsplit(uri)
    if not parts.hostname:
        return uri
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def metric_name(name: str) -> str:
    """A name as MLflow takes it: letters, digits, ``_-. :``, and slashes as a path has them."""
    parts = [part for piece in _REFUSED.sub("-", name).split("/") if (part := piece.lstrip("."))]
    text = "/".join(parts) or "unnamed"
    return text if len(text) <= MAX_NAME_CHARS else f"{text[: MAX_NAME_CHARS - 101]}-{text[-100:]}"


class MlflowLog:
    """One MLflow run.

    Args:
        uri: ``sqlite:///...``, a folder, or a server's address.
        experiment: made if there is none of this name.
        name: of the run.
        run_id: of a run to go on with, as :attr:`run_id` was; None: a new one.
        known_as: a name of ours: the run that was told under it before is continued, if there is one.
        on_problem: told once, in words for a person, if MLflow fails; nothing is told to it from then on.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        name: str,
        *,
        on_problem: Callable[[str], None],
        run_id: str | None = None,
        known_as: str = "",
    ) -> None:
        self.is_new = True
        self._uri, self._on_problem = uri, on_problem
        self._client: Any = None
        self._has_failed = False
        self.run_id = run_id
        self._points: list[tuple[str, float, int, int]] = []
        self._flushed_at = time.monotonic()
        self._try(lambda: self._open(experiment, name, known_as))

    @property
    def is_open(self) -> bool:
        return self._client is not None

    def params(self, values: Mapping[str, Any]) -> None:
        """Settings, each cut to what MLflow takes."""
        flat = {name: json.dumps(value) if not isinstance(value, str) else value for name, value in values.items()}
        items = [(name[:250], text[:MAX_PARAM_CHARS]) for name, text in flat.items()]
        self._try(lambda: self._batches(items))

    def tags(self, values: Mapping[str, str]) -> None:
        """Words about the run, such as hashes of model and data."""
        for name, value in values.items():
            if self.is_open:
                self._try(partial(self._client.set_tag, self.run_id, name, value[:5000]))

    def point(self, series: str, step: int, value: float) -> None:
        """A point of a curve; sent with others."""
        if not self.is_open or not math.isfinite(value):
            return
        self._points.append((metric_name(series), value, int(time.time() * 1000), step))
        if len(self._points) >= BATCH_POINTS or time.monotonic() - self._flushed_at >= FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Send the points that wait."""
        points, self._points = self._points, []
        self._flushed_at = time.monotonic()
        for begin in range(0, len(points), BATCH_POINTS):
            self._try(partial(self._send, points[begin : begin + BATCH_POINTS]))

    def data(self, name: str, value: Any) -> None:
        """JSON data as an artefact, such as sample answers."""
        self._try(lambda: self._client.log_dict(self.run_id, value, name))

    def files(self, folder: Path, name: str) -> None:
        """A folder as an artefact, unless it is very large."""
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        if size <= MAX_ARTEFACT_BYTES:
            self._try(lambda: self._client.log_artifacts(self.run_id, str(folder), name))

    def end(self, status: str) -> None:
        """``status`` is FINISHED, FAILED or KILLED."""
        self.flush()
        self._try(lambda: self._client.set_terminated(self.run_id, status))

    def _open(self, experiment: str, name: str, known_as: str) -> None:
        for variable, value in _PATIENCE.items():
            os.environ.setdefault(variable, value)
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self._uri)
        if self.run_id is None:
            found = client.get_experiment_by_name(experiment)
            where = found.experiment_id if found else client.create_experiment(experiment, self._artefacts())
            told = client.search_runs([where], f"tags.{_KNOWN_AS} = '{known_as}'", max_results=1) if known_as else []
            self.is_new = not told
            tags = {_KNOWN_AS: known_as} if known_as else {}
            run = told[0] if told else client.create_run(where, run_name=name, tags=tags)
            self.run_id = run.info.run_id
        else:
            client.set_terminated(self.run_id, "RUNNING")
        self._client = client

    def _artefacts(self) -> str | None:
        """Beside a local database; a server knows by itself where it keeps them."""
        if not self._uri.startswith("sqlite:///"):
            return None
        return (Path(self._uri.removeprefix("sqlite:///")).absolute().parent / ARTEFACTS).as_uri()

    def _batches(self, items: list[tuple[str, str]]) -> None:
        from mlflow.entities import Param

        for begin in range(0, len(items), BATCH_PARAMS):
            params = [Param(name, text) for name, text in items[begin : begin + BATCH_PARAMS]]
            self._client.log_batch(self.run_id, params=params)

    def _send(self, points: list[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        self._client.log_batch(self.run_id, metrics=[Metric(*point) for point in points])

    def _try(self, action: Callable[[], None]) -> None:
        """Whatever goes wrong in a library or on a server far away must not end what is being logged."""
        if self._has_failed:
            return
        try:
            action()
        except Exception as exc:
            self._client, self._points, self._has_failed = None, [], True
            said = str(exc).strip().replace(self._uri.rstrip("/"), shown_uri(self._uri))
            why = said.splitlines()[0][:300] if said else type(exc).__name__
            self._on_problem(
                f"MLflow at {shown_uri(self._uri)!r} failed ({why}); the run goes on and is not told there any more"
            )
