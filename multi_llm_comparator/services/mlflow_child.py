"""The process that tells MLflow of runs that ended: its library takes seconds to import, and the app must not.

Started by :mod:`services.mlflow_feed` with ``python -m``: reads a JSON file of runs, tells them, and says on standard
output what went wrong, if anything did.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from multi_llm_comparator.services.lines_to_app import tell
from multi_llm_comparator.services.worker import be_nicer, die_with_parent
from multi_llm_comparator.tracking.mlflow_log import MlflowLog

# Behind the models that answer.
NICENESS = 8
ENDS = {"done": "FINISHED", "failed": "FAILED"}


def tell_run(uri: str, document: dict[str, Any]) -> str | None:
    """Tell one run; what went wrong, in words for a person, or None.

    A run that was told before, and went on, is told anew under the same MLflow run.
    """
    problems: list[str] = []
    log = MlflowLog(
        uri, document["experiment"], document["name"], on_problem=problems.append, known_as=document["run_id"]
    )
    if log.is_new:
        log.params(document["params"])
    log.tags({"state": document["state"], "models": ", ".join(document["models"])})
    for name, value in document["figures"].items():
        log.point(name, 0, value)
    if document["data"] is not None:
        log.data("run.json", document["data"])
    log.end(ENDS.get(document["state"], "KILLED"))
    return problems[0] if problems else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    die_with_parent(given.parent)
    be_nicer(NICENESS)
    batch = json.loads(given.file.read_text(encoding="utf-8"))
    for document in batch["runs"]:
        if problem := tell_run(batch["uri"], document):
            # The next ones would wait for the same server.
            tell("problem", text=problem)
            return


if __name__ == "__main__":
    main()
