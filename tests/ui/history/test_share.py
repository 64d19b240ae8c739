from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.sharing.links import PATH, SharedLinks
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model
from tests.ui.test_pages import MAIN, asked, press, run_of


@pytest.fixture
def adder(bench: Workbench, tmp_path: Path) -> Workbench:
    bench.models.available_models = [scripted_model(tmp_path, "adder", otherwise="It is 391.")]
    return bench


def _share(run_id: str) -> None:
    """Only what is tested: an expander opens by a click that tests cannot make."""
    from multi_llm_comparator.ui.history.share import _draw_links

    _draw_links(run_id)


def test_a_link_is_made_shown_and_taken_back(adder: Workbench) -> None:
    run = asked(adder, "adder")
    test = AppTest.from_function(_share, args=(run.id,), default_timeout=60).run()
    press(test, f"share_make_{run.id}")
    (link,) = SharedLinks(get_settings().home).of_run(run.id)
    assert PATH in test.code[0].value
    test.button(key=f"share_take_back_{link.id}").click().run()
    assert SharedLinks(get_settings().home).of_run(run.id) == []
    assert not test.code


def test_a_bundle_says_what_differs_and_runs_again(adder: Workbench) -> None:
    run = asked(adder, "adder")
    data = adder.bridge.run(adder.shared.bundle("comparison", run.id), timeout_s=60)
    test = AppTest.from_file(str(MAIN), default_timeout=60)
    test.session_state["share_bundle_data"] = data
    test.run()
    assert not test.exception
    assert i18n.translate("en", "share.same") in [one.value for one in test.success]
    button = next(one for one in test.button if one.label == i18n.translate("en", "share.run_again"))
    button.click().run()
    assert not test.exception
    again = adder.bridge.run(adder.comparisons.get(run_of(test)))
    adder.bridge.run(again.wait(), timeout_s=60)
    assert again.id != run.id
    assert again.snapshot().turns[0].prompt == run.snapshot().turns[0].prompt
