"""Images on the Compare page: attached, asked with, shown, and said where a model does not see."""

from __future__ import annotations

from dataclasses import replace

from multi_llm_comparator.core.image_data import digest_of, image_bytes
from multi_llm_comparator.core.requests import BLIND
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.ui.compare.attachments import Attachment
from multi_llm_comparator.ui.kit.html_pieces import thumbnail
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import PATIENCE_S, html_of, opened, run_of

POINT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
IMAGE = StoredImage(digest_of(image_bytes(POINT)), 'a "b" <i>.png', POINT, POINT, 1, 1)


def test_an_image_is_shown_before_it_is_sent_and_stands_above_its_prompt(bench: Workbench) -> None:
    first, *others = bench.models.get_available_models()
    first.config["sees_images"] = True
    test = opened()
    test.session_state["compare_attached"] = [Attachment("a.png", image=IMAGE)]
    test.run()
    assert not test.exception
    before = html_of(test)
    assert POINT in before and "<i>.png" not in before
    places = {pane.target: "ABCD"[i] for i, pane in enumerate(test.session_state["compare_panes"])}
    assert ", ".join(sorted(places[model.id] for model in others)) + ": text only" in before

    test.chat_input(key="compare_prompt").set_value("What is this?").run()
    assert not test.exception
    comparison = bench.bridge.run(bench.comparisons.get(run_of(test)))
    bench.bridge.run(comparison.wait(), timeout_s=PATIENCE_S)

    snapshot = comparison.snapshot()
    (turn,) = snapshot.turns
    assert snapshot.images_of(turn) == (IMAGE,)
    blind = {answer.target for answer in turn.answers.values() if BLIND in answer.progress.notes}
    assert blind == {model.id for model in others}
    test.run()
    assert POINT in html_of(test)
    assert "compare_attached" not in test.session_state


def test_an_images_name_is_no_markup() -> None:
    html = thumbnail(replace(IMAGE, name='" onerror="alert(1)'), opens=True)

    assert 'onerror="' not in html
