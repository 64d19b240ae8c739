"""A job that has OpenCompass measure a model over our API. It cannot share our environment (it needs numpy below 2), so
it runs as a program in one of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError
from multi_llm_comparator.evaluation.opencompass_config import (
    OpenCompassOptions,
    configuration,
    items_of,
    newest_summary,
    read_summary,
)
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.services.child_process import child_environment

VERSION = "0.5.4"
INSTALL = f"python3 -m venv ENV && ENV/bin/pip install opencompass=={VERSION} 'pyarrow<21'"
HOW = f"OpenCompass needs an environment of its own: {INSTALL}, then say python=ENV/bin/python"
DIFFERS = (
    "OpenCompass has answers written, in prompts of its own, and looks for the letter of a choice in them: its MMLU "
    "and C-Eval differ by design from those that compare log-probabilities (lm-eval's, and the tasks here)"
)
_START = "from opencompass.cli.main import main; main()"
# Importing it takes a while on a busy machine.
LOOK_TIMEOUT_S, STOP_TIMEOUT_S, POLL_S = 300.0, 10.0, 1.0


def run(options: dict[str, Any], folder: Path, report: Report) -> None:
    """Measure, and keep the table; a job that is resumed does not repeat what OpenCompass has on file.

    Raises:
        ConfigurationError: OpenCompass is not there.
        InferenceError: it failed, or measured nothing.
    """
    wanted = OpenCompassOptions(**options)
    report.phase("loading")
    report.note("info", f"OpenCompass {_version(wanted.python)}")
    report.note("info", DIFFERS)
    work, out = folder / "work" / "opencompass", folder / "out"
    for place in (work, out):
        place.mkdir(parents=True, exist_ok=True)
    config = folder / "work" / "opencompass_config.py"
    config.write_text(configuration(wanted), encoding="utf-8")
    report.phase("evaluating")
    code = _followed(wanted, config, work, report)
    if report.is_stopped:
        return
    summary = newest_summary(work)
    if code != 0 or summary is None:
        raise InferenceError(f"OpenCompass ended with code {code} and no table; the job's log says why")
    scores = read_summary(summary)
    _kept(scores, items_of(work, scores), summary, out, report)


def _version(python: str) -> str:
    """Raises ConfigurationError: the interpreter, or OpenCompass in its environment, is not there."""
    ask = "import opencompass; print(opencompass.__version__)"
    try:
        command = [python, "-c", ask]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_TIMEOUT_S, env=_environment(None))
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigurationError(f"{python!r} cannot be run: {exc}. {HOW}") from exc
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ConfigurationError(f"there is no OpenCompass for {python!r}: {said[:300]}. {HOW}")
    return done.stdout.strip()[-50:]


def _environment(data: str | None) -> dict[str, str]:
    """Without secrets, and without our own packages: that environment has others of the same names."""
    kept = child_environment({"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}, goes_online=True)
    del kept["PYTHONPATH"]
    return kept | ({"COMPASS_DATA_CACHE": data} if data else {})


def _followed(wanted: OpenCompassOptions, config: Path, work: Path, report: Report) -> int:
    """Run it to its end, telling how many subjects are done; what it prints goes to the job's log."""
    again = ["--reuse", "latest"] if any(work.iterdir()) else []
    command = [wanted.python, "-c", _START, str(config), "--work-dir", str(work), *again]
    environment = _environment(wanted.data)
    # A group of its own: it starts processes that would outlive it.
    with subprocess.Popen(command, cwd=work.parent, env=environment, start_new_session=True) as process:
        try:
            while process.poll() is None:
                done = len(list(work.glob("*/results/*/*.json")))
                report.progress(min(done, wanted.expected), wanted.expected, unit="subjects")
                if report.is_stopped:
                    break
                time.sleep(POLL_S)
        finally:
            _end(process)
    return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it started, if it has not ended by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)


def _kept(
    scores: dict[str, dict[str, float | None]], items: dict[str, int], summary: Path, out: Path, report: Report
) -> None:
    """Raises InferenceError: nothing was measured."""
    missing = [name for name, metrics in scores.items() if all(value is None for value in metrics.values())]
    if len(missing) == len(scores):
        raise InferenceError("OpenCompass measured nothing: every subject failed; the job's log says why")
    if missing:
        report.note("warning", f"not measured: {', '.join(missing[:20])}; the job's log says why")
    path = out / summary.name
    shutil.copyfile(summary, path)
    report.artefact("report", path)
    measured = len(scores) - len(missing)
    report.progress(measured, measured, unit="subjects")
    known = {name: metrics for name, metrics in scores.items() if name not in missing}
    report.result({"results": known, "items": items})
