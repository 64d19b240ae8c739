"""What the server has imported that commands of tests are forked from.

A new database of theirs gets its tables by the statements that the migrations come to, and models that they load are
forked from the servers of the tests.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE, preload
from multi_llm_comparator.services import worker
from tests.support import quick_schema, warm_command, warm_python, warm_start

# What commands import while they work, ours and others'.
_IMPORTED = (
    *("openai", "fastapi", "uvicorn", "pandas", "llama_cpp", "gguf", "psycopg"),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql"),
    *("peft", "accelerate", "datasets", "trl"),
    "multi_llm_comparator.workbench",
    "multi_llm_comparator.server.alone",
    "multi_llm_comparator.conversion.convert",
    "multi_llm_comparator.training.lora",
    "multi_llm_comparator.training.tuning_loop",
    "multi_llm_comparator.training.tuned_checkpoint",
    "multi_llm_comparator.training.packs",
    "multi_llm_comparator.jobs.entries",
    "llm_cooperation",
    # What processes of the tests of runs begin with.
    "tests.runs.kinds",
)
# Those ask for the width of the terminal while they are imported: each command imports them itself.
_ANEW = (
    "multi_llm_comparator.cli",
    "multi_llm_comparator.evaluation.runner",
    "multi_llm_comparator.training.trainer",
)


def import_all() -> None:
    """Import what commands need. Raises ImportError: something is not there."""
    worker.run_aside(_import_all, last=False)
    warm_command.forget(*_ANEW)


def _import_all() -> None:
    preload(PRELOADED_ENGINE)
    for name in _IMPORTED:
        import_module(name)
    folder = Path(__file__).parents[2] / "multi_llm_comparator" / "cli"
    for path in folder.glob("[a-z]*.py"):
        import_module(f"multi_llm_comparator.cli.{path.stem}")
    patched = pytest.MonkeyPatch()
    quick_schema.make_databases_quickly(patched)
    quick_schema.statements()
    warm_start.start_warm_processes(patched)
    warm_python.start_warm_children(patched)
    warm_python.start_warm_jobs(patched)
