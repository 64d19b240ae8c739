"""What the monitor in the corner is told."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from multi_llm_comparator.core.callers import Caller, KeyLimits, acting_for
from multi_llm_comparator.ui.kit import i18n, monitor
from multi_llm_comparator.workbench import Workbench
from tests.support.gateways import asking
from tests.ui.conftest import NAMES


@pytest.fixture
def client(bench: Workbench) -> TestClient:
    return TestClient(Starlette(routes=monitor.monitor_routes()))


def load(bench: Workbench) -> None:
    async def asked() -> None:
        async for _ in bench.engine.stream(NAMES[0], asking(max_tokens=4)):
            pass

    bench.bridge.run(asked(), timeout_s=60)


def test_it_tells_the_machine_and_the_models_with_their_requests(bench: Workbench, client: TestClient) -> None:
    assert client.get(f"{monitor.MONITOR_PATH}?models=1").json()["models"] == []
    load(bench)
    answer = client.get(f"{monitor.MONITOR_PATH}?models=1")
    told = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert (told["loaded"], told["requests"]) == (1, 0)
    assert told["machine"]["cpus"] >= 1 and told["machine"]["ram_bytes"] > 0
    (model,) = told["models"]
    assert (model["name"], model["requests"], model["loading"]) == (NAMES[0], 0, False)
    assert model["bytes"] > 0


def test_a_page_that_must_not_know_is_told_no_names(bench: Workbench, client: TestClient) -> None:
    load(bench)
    answer = client.get(monitor.MONITOR_PATH)
    assert answer.json()["loaded"] == 1 and NAMES[0] not in answer.text


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_its_words_are_there_and_have_the_numbers_that_it_fills_in(language: str) -> None:
    for word in monitor._WORDS:
        said = i18n.translate(language, f"monitor.{word}")
        assert set(re.findall(r"{(\w+)}", said)) <= {"n"}


def test_a_key_hears_of_the_models_that_it_may_ask(bench: Workbench, client: TestClient) -> None:
    load(bench)
    for models, told in ((("other-*",), []), ((NAMES[0],), [NAMES[0]])):
        with acting_for(Caller("k", "Ann", frozenset({"pages"}), KeyLimits(models=models))):
            answer = client.get(f"{monitor.MONITOR_PATH}?models=1").json()
        assert [model["name"] for model in answer["models"]] == told and answer["loaded"] == 1
