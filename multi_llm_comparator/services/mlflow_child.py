"""The process that tells MLflow of runs that ended: its library takes seconds to import, and the app must not.

Started by :mod:`services.mlflow_feed` with ``python -m``: is asked to tell some runs, and answers with what went wrong,
if anything did.
"""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.services.lines_to_app import answer, requests
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
    batch = next(requests(NICENESS))

    def told() -> dict[str, Any]:
        # After a problem the next ones would wait for the same server.
        problems = (tell_run(batch["uri"], document) for document in batch["runs"])
        return {"problem": next(filter(None, problems), None)}

    answer(told, MultiLLMError, lambda exc: f"telling MLflow failed: {type(exc).__name__}: {str(exc)[:300]}")


if __name__ == "__main__":
    main()
