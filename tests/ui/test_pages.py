"""The pages without a browser: what they show for what the workbench holds. Answers come from real model processes."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model

MAIN = Path(__file__).parents[2] / "multi_llm_comparator" / "ui" / "main.py"
PAGES = Path(__file__).parents[2] / "pages"
PATIENCE_S = 60.0


def opened(page: str = "compare", **query: str) -> AppTest:
    """A page as a browser opens it at its address, without another one before it."""
    test = AppTest.from_file(str(MAIN), default_timeout=PATIENCE_S)
    if page != "compare":
        # Before anything has run, Streamlit takes a page's address for the name of its file: so they are here.
        test.switch_page(str(PAGES / f"{page}.py"))
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def press(test: AppTest, key: str) -> AppTest:
    """Click the button of this key."""
    test.button(key=key).click().run()
    assert not test.exception
    return test


def html_of(test: AppTest) -> str:
    return " ".join(element.proto.body for element in test.get("html"))


def run_of(test: AppTest) -> str:
    value = test.query_params["run"]
    return value if isinstance(value, str) else value[0]


def asked(bench: Workbench, *names: str, prompt: str = "What is 23 * 17?") -> Comparison:
    """A comparison of these models that has been answered."""
    ids = {model.name: model.id for model in bench.models.get_available_models()}
    return asked_of(bench, *(ids[name] for name in names), prompt=prompt)


def asked_of(bench: Workbench, *targets: str, prompt: str = "What is 23 * 17?") -> Comparison:
    async def ask() -> Comparison:
        comparison = await bench.comparisons.create([Pane.new(target) for target in targets])
        await comparison.send(prompt)
        await comparison.wait()
        return comparison

    return bench.bridge.run(ask(), timeout_s=PATIENCE_S)


def test_an_empty_page_says_what_it_is_for_and_offers_examples(bench: Workbench) -> None:
    test = opened()
    assert i18n.translate("en", "welcome.title") in html_of(test)
    assert {b.label for b in test.button} >= {i18n.translate("en", f"example.{n}") for n in ("sky", "robot")}


def test_four_models_are_chosen_at_the_first_visit(bench: Workbench) -> None:
    assert len({box.value for box in opened().selectbox}) == 4


def test_an_example_is_asked_of_all_panes_at_one_click(bench: Workbench) -> None:
    test = opened()
    press(test, "compare_example_sky")
    comparison = bench.bridge.run(bench.comparisons.get(run_of(test)))
    bench.bridge.run(comparison.wait(), timeout_s=PATIENCE_S)
    answers = comparison.snapshot().turns[0].answers.values()
    assert [answer.progress.state for answer in answers] == ["done"] * 4


def test_a_run_opens_again_by_its_address(bench: Workbench) -> None:
    comparison = asked(bench, "ash", "birch")
    test = opened(run=comparison.id)
    assert test.title[0].value == plain("What is 23 * 17?")
    assert sum("391" in element.value for element in test.markdown) == 2


def test_an_unknown_run_is_said_and_the_page_works_on(bench: Workbench) -> None:
    test = opened(run="no-such-run")
    assert any("no-such-run" in toast.value for toast in test.toast)
    assert i18n.translate("en", "welcome.title") in html_of(test)


def test_all_words_change_with_the_language(bench: Workbench) -> None:
    test = opened(lang="zh")
    assert i18n.translate("zh", "welcome.title") in html_of(test)
    assert i18n.translate("en", "welcome.title") not in html_of(test)


def test_the_language_chosen_is_remembered_for_the_next_visit(bench: Workbench) -> None:
    test = opened()
    test.button(key="app_language_switch").click().run()
    assert i18n.translate("zh", "welcome.title") in html_of(opened())


def test_a_model_can_be_in_two_panes_and_panes_come_and_go(bench: Workbench) -> None:
    test = opened()
    boxes = [box for box in test.selectbox if (box.key or "").startswith("compare_model_")]
    boxes[0].set_value(boxes[1].value).run()
    assert not test.exception
    remove = [b for b in test.button if (b.key or "").startswith("icon_remove_")]
    remove[3].click().run()
    assert len([b for b in test.selectbox if (b.key or "").startswith("compare_model_")]) == 3
    test.button(key="compare_add_pane").click().run()
    assert len([b for b in test.selectbox if (b.key or "").startswith("compare_model_")]) == 4


def test_an_answer_can_be_made_again_and_both_attempts_be_looked_at(bench: Workbench) -> None:
    comparison = asked(bench, "ash", "birch")
    test = opened(run=comparison.id)
    next(b for b in test.button if (b.key or "").startswith("icon_again_")).click().run()
    assert not test.exception
    bench.bridge.run(comparison.wait(), timeout_s=PATIENCE_S)
    test.run()
    assert "2/2" in html_of(test)
    next(b for b in test.button if (b.key or "").startswith("icon_earlier_")).click().run()
    assert "1/2" in html_of(test)


def test_a_failed_answer_says_what_happened_and_offers_the_next_step(bench: Workbench, tmp_path: Path) -> None:
    fault = {"kind": "exit", "after_tokens": 1}
    bench.models.available_models.append(scripted_model(tmp_path, "yew", otherwise="one two three", faults=[fault]))
    comparison = asked(bench, "ash", "yew")
    test = opened(run=comparison.id)
    assert escape(i18n.translate("en", "error.title.ModelProcessDied")) in html_of(test)
    assert any(b.label == i18n.translate("en", "act.retry") for b in test.button)
    assert "Traceback" not in html_of(test)


def test_without_models_the_page_says_where_to_get_some(bench: Workbench) -> None:
    bench.models.available_models = []
    assert i18n.translate("en", "welcome.no_models") in html_of(opened())


def test_the_text_of_a_model_never_becomes_markup(bench: Workbench, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    bench.models.available_models.append(scripted_model(tmp_path, "elm", otherwise="<script>alert(1)</script>"))
    bench.models.available_models[-1].name = name
    comparison = asked(bench, name, prompt="<b>bold?</b>")
    shown = html_of(opened(run=comparison.id))
    assert "<img" not in shown
    assert "<b>bold?" not in shown


def test_the_history_lists_finds_opens_and_deletes(bench: Workbench) -> None:
    asked(bench, "ash", prompt="about apples")
    asked(bench, "birch", prompt="about pears")
    test = opened("history")
    assert "about apples" in html_of(test) and "about pears" in html_of(test)
    test.text_input(key="history_search").set_value("apples").run()
    assert "about pears" not in html_of(test)


def test_an_empty_history_leads_to_comparing(bench: Workbench) -> None:
    assert i18n.translate("en", "history.empty") in html_of(opened("history"))


def test_the_models_page_shows_what_was_found_and_what_is_wrong_with_it(bench: Workbench) -> None:
    broken = ModelInfo("", "broken", "/x/broken.gguf", ModelType.GGUF, 12, {"problem": "the file ends early"})
    bench.models.available_models.append(broken)
    test = opened("models")
    shown = html_of(test)
    assert all(name in shown for name in ("ash", "birch", "broken", "the file ends early"))
    test.text_input(key="models_filter").set_value("birch").run()
    assert "broken" not in html_of(test)


def test_settings_take_effect_and_wrong_ones_are_refused(bench: Workbench) -> None:
    test = opened("settings")
    test.number_input(key="settings_max_memory_gb").set_value(3.0)
    next(b for b in test.button if b.label == i18n.translate("en", "settings.save")).click().run()
    assert not test.exception
    assert bench.engine.memory_manager.max_memory_gb == 3.0


@pytest.mark.parametrize("page", ["compare", "models", "groups", "history", "usage", "settings"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_opens_in_every_language(bench: Workbench, page: str, language: str) -> None:
    opened(page, lang=language)


def test_a_prompt_is_sent_after_a_pane_that_said_nothing_was_removed(bench: Workbench, tmp_path: Path) -> None:
    bench.models.available_models += [scripted_model(tmp_path, "silent", otherwise="")]
    comparison = asked(bench, "silent", "ash")
    test = opened(run=comparison.id)
    next(b for b in test.button if (b.key or "").startswith("icon_remove_")).click().run()
    test.chat_input(key="compare_prompt").set_value("And now?").run()
    assert not test.exception
    assert len(comparison.snapshot().turns[1].answers) == 1
