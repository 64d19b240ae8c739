from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model


@pytest.fixture
def adders(bench: Workbench, tmp_path: Path) -> Workbench:
    """Two models of which one knows both answers."""
    four = {"pattern": "2 \\+ 2", "text": "It is 4."}
    bench.models.available_models = [
        scripted_model(tmp_path, "knows", answers=[four], otherwise="It is 391."),
        scripted_model(tmp_path, "guesses", otherwise="It is 391."),
    ]
    return bench
