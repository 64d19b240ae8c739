"""What the servers have imported that commands of tests, and the app, are forked from.

A new database of theirs gets its tables by the statements that the migrations come to, and what they start in turn,
models and jobs, is forked from the servers of the tests.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE, preload
from multi_llm_comparator.services import worker
from tests.support import quick_schema, warm_command, warm_python, warm_start
from tests.support.warm_launcher import COMMANDS

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
# With what reads documents, which the app has done by a process. Nothing of it may be in use before there is a fork:
# the app itself is run anew in each.
_OF_THE_APP = (
    "streamlit.web.bootstrap",
    "uvicorn",
    "pandas",
    "plotly.graph_objects",
    "sqlalchemy.dialects.sqlite",
    *("multi_llm_comparator.applications.reading.read", "pypdf", "docx", "openpyxl"),
    "app",
)
# Those ask for the width of the terminal while they are imported: each command imports them itself.
_ANEW = (
    "multi_llm_comparator.cli",
    "multi_llm_comparator.evaluation.runner",
    "multi_llm_comparator.training.trainer",
)


def import_all(wanted: str) -> None:
    """Import what commands need, or what the app does. Raises ImportError: something is not there."""
    worker.run_aside(_import_for_commands if wanted == COMMANDS else _import_for_app, last=False)
    warm_command.forget(*_ANEW)


def _import_for_commands() -> None:
    preload(PRELOADED_ENGINE)
    for name in _IMPORTED:
        import_module(name)
    folder = Path(__file__).parents[2] / "multi_llm_comparator" / "cli"
    for path in folder.glob("[a-z]*.py"):
        import_module(f"multi_llm_comparator.cli.{path.stem}")
    _begin_warm()


def _import_for_app() -> None:
    for name in _OF_THE_APP:
        import_module(name)
    _begin_warm()


def _begin_warm() -> None:
    """What is forked from here has its databases and processes as tests have them."""
    patched = pytest.MonkeyPatch()
    quick_schema.make_databases_quickly(patched)
    quick_schema.statements()
    warm_start.start_warm_processes(patched)
    warm_python.start_warm_children(patched)
    warm_python.start_warm_jobs(patched)
