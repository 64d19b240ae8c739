"""The app with scripted models instead of those on disk: what takes time on the pages takes as long as a test needs.

    python -c "from tests.browser.scripted_app import main; main()" FOLDER --port 8501

FOLDER holds scripts (``inferencers/script.py``), one model each, named after the file, in which %2F and the like
stand for what no file may be named; those whose names end in "-sees" look at images. Started as a file of its own it
would look for the pages beside itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote

import app
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.workbench import get_workbench


def _model(path: Path) -> ModelInfo:
    config = {"engine": "scripted", "sees_images": path.stem.endswith("-sees")}
    return ModelInfo("", unquote(path.stem), str(path), ModelType.CUSTOM, path.stat().st_size, config)


def main() -> None:
    folder = Path(sys.argv.pop(1))
    models = get_workbench().models
    models.wait_for_scan(60)
    # Beside those on disk, where a test has some.
    models.available_models = [*models.available_models] + [_model(path) for path in sorted(folder.glob("*.json"))]
    app.main()
