"""Questions of an evaluation set that are in the data: said before the start, and kept with the result."""

from __future__ import annotations

import json
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.training.data.contamination import Contamination, SetContamination
from multi_llm_comparator.ui.tune.sources import Source
from multi_llm_comparator.ui.tune.state import Draft
from multi_llm_comparator.workbench import Workbench
from tests.training.tunings import DEMO, PAIRS
from tests.ui.test_pages import opened

PATIENCE_S = 120.0


def test_the_page_warns_before_the_start(bench: Workbench, tmp_path: Path) -> None:
    asked = "How many ducks does Janet have if she sells all of her eggs at the market every single day?"
    data, evaluation = tmp_path / "rows.json", tmp_path / "exam.jsonl"
    data.write_text(json.dumps([*PAIRS, {"prompt": asked, "completion": "None."}]), encoding="utf-8")
    evaluation.write_text("".join(json.dumps({"question": one}) + "\n" for one in (asked, "Who?")), encoding="utf-8")
    base = ModelInfo("", "demo-small", str(DEMO), ModelType.PYTORCH, 10)
    bench.models.available_models.append(base)
    source = Source("path", str(data), data.name)
    test = opened("tune")
    # As `set_draft` does: the widgets are made anew, and do not say what they said before.
    test.session_state["tune_draft"] = Draft(base=base.id, source=source, evaluation_sets=(str(evaluation),))
    test.session_state["tune_revision"] = 1
    until = time.monotonic() + PATIENCE_S
    while not test.run().warning and time.monotonic() < until:
        time.sleep(0.2)
    assert not test.exception
    (said,) = (warning.value.replace("\\", "") for warning in test.warning)
    assert said.startswith("50.0% of exam") and "1 questions word for word" in said


def test_the_result_says_it_too() -> None:
    def script(found: dict[str, object]) -> None:
        from multi_llm_comparator.ui.tune.lineage import _draw_contamination

        _draw_contamination(found)

    dirty = SetContamination(name="exam", texts=2, exact=1, overlapping=0)
    clean = SetContamination(name="other", texts=2, exact=0, overlapping=0)
    found = Contamination(sets=(dirty, clean), rows=1)
    test = AppTest.from_function(script, kwargs={"found": found.to_dict()}).run()
    assert [warning.value.replace("\\", "") for warning in test.warning] == [
        "50.0% of exam was in the training data: results on it say little."
    ]
