from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.voting.spec import VotingSpec
from multi_llm_comparator.voting.vote_run import VoteRun
from multi_llm_comparator.workbench import Workbench
from tests.comparison.test_images import image
from tests.support.scripted_models import scripted_model
from tests.ui.compare.test_images import IMAGE
from tests.ui.test_pages import html_of, press, run_of
from tests.ui.test_pages import opened as opened_page
from tests.voting.sessions import session_spec

PATIENCE_S = 60.0
NAMES = ("alpha-model", "omega-model")


@pytest.fixture
def writers(bench: Workbench, tmp_path: Path) -> Workbench:
    """Two models, each of which always says the same."""
    bench.models.available_models = [
        scripted_model(tmp_path, name, otherwise=f"Answer number {number}.") for number, name in enumerate(NAMES, 1)
    ]
    return bench


def opened(**query: str) -> AppTest:
    return opened_page("vote", **query)


def spec_of(bench: Workbench, *prompts: str) -> VotingSpec:
    models = bench.models.get_available_models()
    contestants = [
        {"id": letter, "target": model.id, "label": model.name, "config": ModelConfig(temperature=0.0)}
        for letter, model in zip("ab", models, strict=True)
    ]
    return session_spec(*prompts, contestants=contestants)


def session(bench: Workbench, *prompts: str) -> VoteRun:
    """A session whose first turn is open."""
    run = bench.bridge.run(bench.votes.start(spec_of(bench, *prompts)))
    end = time.monotonic() + PATIENCE_S
    while run.snapshot().phase != "voting":
        assert time.monotonic() < end, run.snapshot()
        time.sleep(0.05)
    return run


def seen(test: AppTest) -> str:
    """All words on the page, and the keys of its widgets."""
    words = [html_of(test)]
    words += [element.value for element in test.markdown]
    words += [element.value for element in test.caption]
    words += [f"{button.label} {button.key}" for button in test.button]
    return " ".join(words)


def test_an_empty_page_says_what_it_is_for_and_its_example_works_at_one_click(writers: Workbench) -> None:
    test = opened()
    assert i18n.translate("en", "vote.welcome") in html_of(test)
    press(test, "vote_example")
    run = writers.bridge.run(writers.votes.get(run_of(test)))
    assert (len(run.spec.prompts), len(run.spec.contestants), run.spec.source) == (12, 2, "A dozen questions")
    assert [title.value for title in opened(run=run.id, lang="zh").title] == ["十二个问题"]
    assert "十二个问题" in html_of(opened_page("history", lang="zh"))
    writers.bridge.run(writers.runs.stop(run.id))


def test_an_open_turn_shows_answers_and_nobodys_name(writers: Workbench) -> None:
    run = session(writers, "What is it?", "And that?")
    test = opened(run=run.id)
    text = seen(test)
    assert "Answer number 1." in text and "Answer number 2." in text and "What is it?" in text
    for model in writers.models.get_available_models():
        assert model.name not in text and model.id not in text
    writers.bridge.run(writers.runs.stop(run.id))


def test_while_answers_are_written_one_clock_runs_and_nobody_is_named(bench: Workbench, tmp_path: Path) -> None:
    slow = {"otherwise": "word " * 200, "tokens_per_second": 1}
    bench.models.available_models = [
        scripted_model(tmp_path, NAMES[0], otherwise="Done."),
        scripted_model(tmp_path, NAMES[1], **slow),
    ]
    run = bench.bridge.run(bench.votes.start(spec_of(bench, "What is it?")))
    end = time.monotonic() + PATIENCE_S
    while not ((turn := run.snapshot().answering) and turn.answers):
        assert time.monotonic() < end, run.snapshot()
        time.sleep(0.05)
    test = opened(run=run.id)
    text = seen(test)
    assert "What is it?" in text and text.count('role="timer"') == 1
    assert i18n.translate("en", "vote.answers_there", done="1", total="2") in text
    # Neither who it is nor what the first one has written; and it can be stopped.
    assert not any(name in text for name in (*NAMES, "Done."))
    press(test, "vote_stop")
    assert run.state == "stopped"


def test_a_vote_reveals_who_wrote_what_and_the_next_turn_hides_it_again(writers: Workbench) -> None:
    run = session(writers, "What is it?", "And that?")
    test = opened(run=run.id)
    first = run.snapshot().turns[0]
    press(test, "vote_choose_1")
    assert all(name in seen(test) for name in NAMES)
    assert run.snapshot().turns[0].choice == first.places[1]
    test.button(key="vote_next").click().run()
    assert "And that?" in seen(test)
    assert not any(name in seen(test) for name in NAMES)
    test.button(key="vote_choose_bad").click().run()
    test.button(key="vote_next").click().run()
    assert i18n.translate("en", "vote.done") in html_of(test)
    assert run.state == "done"


def test_without_revealing_the_next_turn_comes_at_once(writers: Workbench) -> None:
    run = session(writers, "What is it?", "And that?")
    test = opened(run=run.id)
    test.toggle(key=f"vote_reveal_{run.id}").set_value(False).run()
    test.button(key="vote_choose_tie").click().run()
    assert "And that?" in seen(test)
    assert not any(name in seen(test) for name in NAMES)
    writers.bridge.run(writers.runs.stop(run.id))


def test_the_ranking_stands_alone_and_says_what_is_undecided(writers: Workbench) -> None:
    run = session(writers, "What is it?", "And that?")
    writers.bridge.run(run.vote(0, "a"))
    test = opened(run=run.id)
    test.segmented_control(key=f"vote_view_{run.id}").set_value("ranking").run()
    assert not test.exception
    text = html_of(test)
    assert "undecided" in text and all(name in text for name in NAMES)
    assert "Answer number" not in seen(test)
    writers.bridge.run(writers.runs.stop(run.id))


def test_votes_open_tune_as_pairs(writers: Workbench) -> None:
    run = session(writers, "What is it?")
    writers.bridge.run(run.vote(0, "b"))
    test = opened(run=run.id)
    test.segmented_control(key=f"vote_view_{run.id}").set_value("ranking").run()
    press(test, f"vote_train_{run.id}")
    draft = test.session_state["tune_draft"]
    assert draft.changes["method"] == "dpo"
    assert "Answer number 2." in Path(draft.source.value).read_text(encoding="utf-8")


def test_own_prompts_one_a_line_are_asked_and_remembered(writers: Workbench) -> None:
    test = opened()
    test.selectbox(key="vote_setup_prompts_0").select("").run()
    test.text_area(key="vote_setup_own_0").set_value("One?\n\n  Two?  ").run()
    press(test, "vote_start")
    run = writers.bridge.run(writers.votes.get(run_of(test)))
    assert [prompt.text for prompt in run.spec.prompts] == ["One?", "Two?"]
    assert opened().text_area(key="vote_setup_own_0").value == "One?\n\n  Two?  "
    writers.bridge.run(writers.runs.stop(run.id))


def test_a_session_that_cannot_begin_says_what_is_missing(writers: Workbench) -> None:
    test = opened()
    test.selectbox(key="vote_setup_prompts_0").select("").run()
    test.text_area(key="vote_setup_own_0").set_value(" ").run()
    assert i18n.translate("en", "vote.no_prompts") in [caption.value for caption in test.caption]
    test.multiselect(key="vote_setup_models_0").set_value([]).run()
    assert test.button(key="vote_start").disabled
    assert i18n.translate("en", "vote.too_few") in [caption.value for caption in test.caption]


def test_own_prompts_are_asked_about_each_image_of_models_that_see(writers: Workbench) -> None:
    other = image(1)
    test = opened()
    test.session_state["vote_images"] = (IMAGE, other)
    test.selectbox(key="vote_setup_prompts_0").select("").run()
    test.text_area(key="vote_setup_own_0").set_value("What is it?\nWhere is it?").run()
    assert not test.exception
    assert IMAGE.thumbnail in html_of(test)
    # The scripted models do not see yet.
    assert NAMES[0] in " ".join(one.value for one in test.warning) and test.button(key="vote_start").disabled
    for model in writers.models.get_available_models():
        model.config["sees_images"] = True
    test.run()
    assert not test.warning
    press(test, "vote_start")
    run = writers.bridge.run(writers.votes.get(run_of(test)))
    asked = [(prompt.text, prompt.images) for prompt in run.spec.prompts]
    assert asked == [(text, (one.digest,)) for one in (IMAGE, other) for text in ("What is it?", "Where is it?")]
    end = time.monotonic() + PATIENCE_S
    while run.snapshot().open_turn is None:
        assert time.monotonic() < end, run.snapshot()
        time.sleep(0.05)
    test.run()
    assert len(test.get("image")) == 1
    writers.bridge.run(writers.runs.stop(run.id))


def test_a_session_that_was_stopped_says_so_and_goes_on(writers: Workbench) -> None:
    run = session(writers, "What is it?", "And that?")
    test = opened(run=run.id)
    test.button(key="vote_stop").click().run()
    assert run.state == "stopped"
    press(test, "vote_resume")
    assert run.is_at_work
    writers.bridge.run(writers.runs.stop(run.id))
