"""Jobs for tests: they count, slowly if told, with a checkpoint after each step."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import TrainingError
from multi_llm_comparator.jobs.report import Report


def count(options: dict[str, Any], folder: Path, report: Report) -> None:
    """Count to ``steps``, resumed where the last attempt ended; options have it misbehave.

    With ``gate`` it goes no further than to 1 before there is a file of that name.
    """
    steps, gate = int(options.get("steps", 3)), options.get("gate")
    checkpoint = folder / "work" / "counted"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    report.phase("counting")
    if options.get("eats"):
        held = b"x" * int(options["eats"])
        time.sleep(600)
        del held
    if options.get("child"):
        _start_child(folder, own_session=options["child"] == "escaping")
    for step in range(done + 1, steps + 1):
        while step > 1 and gate and not Path(gate).exists() and (options.get("deaf") or not report.is_stopped):
            time.sleep(0.02)
        if report.is_stopped and not options.get("deaf"):
            return
        if step == options.get("fails_at"):
            raise TrainingError("there is no such number; count to less")
        if step == options.get("breaks_at"):
            raise ValueError("an accident")
        if step == options.get("quits_at"):
            print("leaving early", flush=True)
            os._exit(3)
        report.point("loss", step, 1 / step)
        report.sample(step, "fixed", "What comes next?", str(step + 1))
        report.progress(step, steps)
        print(f"step {step}", flush=True)
        checkpoint.write_text(str(step))
    (folder / "out" / "number").write_text(str(steps))
    report.artefact("adapter", folder / "out" / "number", digits=len(str(steps)))
    report.note("info", f"threads: {os.environ['OMP_NUM_THREADS']}, secret: {os.environ.get('SOME_API_KEY')}")
    report.result({"counted": steps, "loss": 1 / steps})


def _start_child(folder: Path, *, own_session: bool) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=own_session)
    (folder / "work" / "child").write_text(str(child.pid))
