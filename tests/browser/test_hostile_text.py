"""Text of others, with every known way of making a browser fetch, at every place that draws it: nobody is asked.

The pages' policy would keep a browser from asking too. Here it is switched off, so that one wall does not hide a hole
in the other; :mod:`tests.browser.test_policy` is about the policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from multi_llm_comparator.groups.config_loader import TASK_GROUPS_FILE
from tests.browser import board
from tests.browser.conftest import new_context
from tests.browser.scripted import scripted_app
from tests.support.unasked_server import UnaskedServer
from tests.ui.kit.test_escaping import URL, WAYS

# Until a browser would have asked.
SETTLE_MS = 1500


@pytest.fixture(scope="module")
def unasked() -> Iterator[UnaskedServer]:
    with UnaskedServer().serving() as server:
        yield server


def picture(server: UnaskedServer, where: str) -> str:
    return f"![x]({server.url}/{where})"


def everything(server: UnaskedServer, where: str) -> str:
    """All ways, one paragraph each; what one leaves open is shut before the next."""
    html = f'<img src="{server.url}/{where}-img"><svg><image href="{server.url}/{where}-svg"/></svg>'
    formula = f"$\\includegraphics{{{server.url}/{where}-katex}}$"
    closed = [f"{way}\n\n```\n```\n\n-->\n\n</pre>\n\n" for way in WAYS.values()]
    return "".join([*closed, html, "\n\n", formula]).replace(URL, f"{server.url}/{where}")


@pytest.fixture(scope="module")
def app(unasked: UnaskedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    scripts, home = tmp_path_factory.mktemp("scripts"), tmp_path_factory.mktemp("home")
    task = picture(unasked, "task").replace("/", "&#47;")
    plan = f'<Plan><Step ID="1" Task="{task}" Difficulty="2" Token="50" Rely=""/></Plan>'
    written = {
        "demo-planner": plan,
        "demo-small": everything(unasked, "step"),
        "demo-large": everything(unasked, "final"),
        picture(unasked, "model"): everything(unasked, "answer"),
        f"in ways {picture(unasked, 'thinker')}": f"<think>{everything(unasked, 'thought')}</think>Done.",
    }
    for name, text in written.items():
        (scripts / f"{quote(name, safe='')}.json").write_text(json.dumps({"otherwise": text}), encoding="utf-8")
    groups = home / "configs" / TASK_GROUPS_FILE
    groups.parent.mkdir(parents=True)
    name = picture(unasked, "group")
    hostile = {
        "models": {name: {"provider": picture(unasked, "provider"), "local": "demo-small"}},
        "task_groups": {"pictures": {"description": name, "first": {"models": [name]}}},
    }
    groups.write_text(json.dumps(hostile), encoding="utf-8")
    own = "\n".join(f"{n} {picture(unasked, 'ballot')}" for n in range(2))
    kept = {"vote": {"prompts": "", "own": own}}
    (home / "preferences.json").write_text(json.dumps(kept), encoding="utf-8")
    with scripted_app(scripts, home, MLC_CONFIGS_DIR=str(home / "configs")) as address:
        yield address


@pytest.fixture(scope="module")
def open_window(chromium: Browser) -> Iterator[BrowserContext]:
    """One for all of them, without the pages' policy."""
    context = new_context(chromium, bypass_csp=True)
    yield context
    context.close()


@pytest.fixture
def page(open_window: BrowserContext, app: str) -> Iterator[Page]:
    page = open_window.new_page()
    yield page
    page.close()


def settle(page: Page, unasked: UnaskedServer) -> None:
    page.wait_for_timeout(SETTLE_MS)
    assert unasked.asked == []
    assert page.locator(f'img[src*="{unasked.url}"], iframe, [data-testid="stImage"]').count() == 0
    assert page.locator('[data-testid="stMermaidChart"], svg[id^="mermaid"]').count() == 0


def ask(page: Page, app: str, prompt: str) -> None:
    page.goto(f"{app}/?lang=en")
    board.ask(page, prompt)
    expect(board.cards(page).first).to_be_visible()
    board.expect_states(page, re.compile("done"), count=board.cards(page).count())


def test_answers_titles_and_names_on_compare_history_and_in_imports(
    page: Page, app: str, unasked: UnaskedServer, tmp_path: Path
) -> None:
    ask(page, app, picture(unasked, "prompt"))
    settle(page, unasked)
    expect(page.get_by_role("heading", level=1)).to_have_text(picture(unasked, "prompt"))
    page.locator('[class*="st-key-icon_look_"] button').first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    settle(page, unasked)
    page.keyboard.press("Escape")
    page.locator(".st-key-compare_export button").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    recorded = tmp_path / "run.json"
    download.value.save_as(recorded)
    run = json.loads(recorded.read_text(encoding="utf-8"))
    run["title"] = picture(unasked, "imported")
    recorded.write_text(json.dumps(run), encoding="utf-8")
    page.goto(f"{app}/history?lang=en")
    settle(page, unasked)
    page.locator(".st-key-history_import button").first.click()
    page.locator('input[type="file"]').set_input_files(recorded)
    expect(page.get_by_role("heading", level=1)).to_contain_text("imported")
    settle(page, unasked)


def test_a_link_to_a_run_and_what_is_said_of_it(page: Page, app: str, unasked: UnaskedServer) -> None:
    for path in ("", "plans"):
        page.goto(f"{app}/{path}?lang=en&run={quote(picture(unasked, 'link'))}")
        expect(page.get_by_test_id("stToast")).to_contain_text(picture(unasked, "link"))
        settle(page, unasked)


def test_models_and_their_details(page: Page, app: str, unasked: UnaskedServer) -> None:
    page.goto(f"{app}/models?lang=en")
    rows = page.locator('[class*="st-key-model_row_"]', has_text=picture(unasked, "model"))
    expect(rows.first).to_be_visible()
    settle(page, unasked)
    rows.first.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text(picture(unasked, "model"))
    settle(page, unasked)


def test_groups_and_what_they_answer(page: Page, app: str, unasked: UnaskedServer) -> None:
    page.goto(f"{app}/groups?lang=en")
    expect(page.get_by_text(picture(unasked, "group")).first).to_be_visible()
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(".st-key-groups_trial_text")).to_contain_text("x")
    settle(page, unasked)


def test_plans_their_steps_and_answers(page: Page, app: str, unasked: UnaskedServer) -> None:
    page.goto(f"{app}/plans?lang=en")
    board.ask(page, picture(unasked, "question"))
    expect(page.locator(".mlc-plan-status [data-run-state]")).to_have_attribute("data-run-state", "done")
    expect(page.get_by_role("heading", level=1)).to_have_text(picture(unasked, "question"))
    settle(page, unasked)
    for tab in page.get_by_role("tab").all():
        tab.click()
        settle(page, unasked)


def test_cooperations_their_members_and_what_came_of_them(page: Page, app: str, unasked: UnaskedServer) -> None:
    page.goto(f"{app}/cooperate?lang=en")
    board.ask(page, picture(unasked, "together"))
    expect(page.locator('[data-run-state="done"], [data-run-state="failed"]')).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(picture(unasked, "together"))
    settle(page, unasked)


def test_services_on_documents(page: Page, app: str, unasked: UnaskedServer) -> None:
    page.goto(f"{app}/services?lang=en")
    page.get_by_role("tab", name="Upload a file").click()
    text = f"Revenue rose by 28%.\n\n{everything(unasked, 'document')}"
    page.locator('input[type="file"]').set_input_files(
        {"name": "![x](report).md", "mimeType": "text/markdown", "buffer": text.encode()}
    )
    start = page.locator(".st-key-services_start").get_by_role("button")
    expect(start).to_be_enabled()
    start.click()
    expect(page.locator('.mlc-services-status:is([data-state="done"], [data-state="failed"])')).to_be_visible()
    settle(page, unasked)


def test_votes_on_answers(page: Page, app: str, unasked: UnaskedServer) -> None:
    page.goto(f"{app}/vote?lang=en")
    page.locator(".st-key-vote_start button").click()
    expect(page.locator(".st-key-vote_choose_0 button")).to_be_visible()
    settle(page, unasked)
    page.locator(".st-key-vote_choose_0 button").click()
    expect(page.locator(".st-key-vote_next button")).to_be_visible()
    settle(page, unasked)


def test_prompts_of_others_and_what_was_measured_on_them(
    page: Page, app: str, unasked: UnaskedServer, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    row = {"prompt": everything(unasked, "row"), "expected": picture(unasked, "expected"), "compare": "contains"}
    named = {"tags": [picture(unasked, "tag")[:60]], "cluster": "![x](cluster)"}
    prompts.write_text(json.dumps({**row, **named}) + "\n", encoding="utf-8")
    page.goto(f"{app}/measure?lang=en")
    page.locator(".st-key-measure_upload_0 button").first.click()
    page.locator('input[type="file"]').set_input_files(prompts)
    expect(page.get_by_text("One prompt is kept as")).to_be_visible()
    settle(page, unasked)
    page.locator(".st-key-measure_start button").first.click()
    expect(page.locator('[data-measure="done"]')).to_be_visible()
    settle(page, unasked)


def test_a_picture_that_got_through_would_be_noticed(page: Page, app: str) -> None:
    page.goto(f"{app}/?lang=en")
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    with UnaskedServer().serving() as server:
        page.evaluate("url => { document.body.append(Object.assign(new Image(), { src: url })); }", f"{server.url}/x")
        page.wait_for_timeout(SETTLE_MS)
        assert server.asked == ["/x"]
