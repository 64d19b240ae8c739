"""What is made for a key is seen by that key and by admins, and by no other key, through every path of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.callers import Caller
from multi_llm_comparator.core.settings import reload_settings
from multi_llm_comparator.core.signed_tokens import make_token
from multi_llm_comparator.plans.saved import SavedPlans
from multi_llm_comparator.server.page_caller import told_to_pages
from multi_llm_comparator.server.paths import may_reach
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS
from tests.server.test_api_keys import SECRET, guarded, made
from tests.support.served_api import ServedApi, until

PLANNED = {"model": "plan:sums", "messages": [{"role": "user", "content": "What is (23 + 48) * (17 - 9)?"}]}
TOGETHER = {"query": "How many legs have 3 cats?", "mode": "voting", "models": ["small", "large"]}
READ = {"service_type": "data_insight", "content": "month,sales\n1,10\n2,20\n3,60\n", "parameters": {"model": ""}}


@pytest.fixture
async def api(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApi]:
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    SavedPlans(tmp_path / "configs" / "plans").save("sums", OPTIONS)
    async with guarded(tmp_path, store) as served:
        served.source.usual |= {"planner": PLAN, "small": "7", "large": "568"}
        yield served


async def ids(api: ServedApi, headers: dict[str, str], **query: str) -> list[str]:
    answer = await api.http.get("/api/runs", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["total"] == len(found["data"])
    return [one["id"] for one in found["data"]]


async def test_runs_of_every_kind_belong_to_the_key_that_asked(api: ServedApi, store: Store) -> None:
    ann, anns = made(store)
    _, bobs = made(store)
    _, admins = made(store, ("admin",))
    bodies = {"/v1/chat/completions": PLANNED, "/cooperation/task": TOGETHER, "/service": READ}
    runs: dict[str, str] = {}
    for path, body in bodies.items():
        answer = await api.http.post(path, json=body, headers=anns)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        runs[path] = found.get("run_id") or found["request_id"]
    bob_made = (await api.http.post("/v1/chat/completions", json=PLANNED, headers=bobs)).json()["run_id"]

    assert set(await ids(api, anns)) == set(runs.values())
    assert await ids(api, bobs) == [bob_made]
    assert set(await ids(api, admins)) == {*runs.values(), bob_made}
    assert set(await ids(api, admins, caller=ann.id)) == set(runs.values())
    # Asking for another's makes no difference.
    assert await ids(api, bobs, caller=ann.id) == [bob_made]

    for run_id in runs.values():
        own = await api.http.get(f"/api/runs/{run_id}", headers=anns)
        assert (own.status_code, own.json()["caller"]) == (200, ann.id)
        for way in ("", "/events", "/export"):
            other = await api.http.get(f"/api/runs/{run_id}{way}", headers=bobs)
            unknown = await api.http.get(f"/api/runs/nowhere{way}", headers=bobs)
            assert other.status_code == unknown.status_code == 404
            assert other.json()["error"]["message"].replace(run_id, "nowhere") == unknown.json()["error"]["message"]
        for deed in ("stop", "resume"):
            assert (await api.http.post(f"/api/runs/{run_id}/{deed}", headers=bobs)).status_code == 404
            assert (await api.http.post(f"/api/runs/{run_id}/{deed}", headers=anns)).status_code == 200


async def test_signed_tokens_of_others_have_workspaces_of_their_own(
    api: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLC_JWT_SECRET", SECRET)
    reload_settings()

    def signed(subject: str) -> dict[str, str]:
        return {"authorization": f"Bearer {make_token(SECRET, subject, frozenset({'models'}), 60)}"}

    run_id = (await api.http.post("/v1/chat/completions", json=PLANNED, headers=signed("ann"))).json()["run_id"]
    assert await ids(api, signed("ann")) == [run_id]
    assert await ids(api, signed("bob")) == []


async def test_on_an_open_loopback_everything_is_seen_as_before(tmp_path: Path, store: Store, api: ServedApi) -> None:
    _, anns = made(store)
    run_id = (await api.http.post("/v1/chat/completions", json=PLANNED, headers=anns)).json()["run_id"]
    async with guarded(tmp_path / "open", store, token=None) as loopback:
        assert await ids(loopback, {}) == [run_id]
        _, bobs = made(store)
        # A key that is sent counts.
        assert await ids(loopback, bobs) == []


@pytest.mark.parametrize(
    ("scopes", "reached", "refused"),
    [
        (
            {"models"},
            ("/v1/models", "/api/runs", "/api/runs/r1/export", "/query"),
            ("/", "/metrics", "/_stcore/stream"),
        ),
        ({"pages"}, ("/", "/_stcore/stream", "/models"), ("/v1/models", "/api/runs", "/metrics", "/chat/completions")),
        ({"models", "pages"}, ("/", "/api/runs", "/v1/models"), ("/metrics", "/query/statistics")),
        ({"admin"}, ("/", "/metrics", "/v1/models", "/api/runs", "/query/statistics"), ()),
        (set[str](), (), ("/", "/v1/models", "/api/runs")),
    ],
)
def test_scopes_say_which_paths_are_reached(
    scopes: set[str], reached: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    caller = Caller("k", "k", frozenset(scopes))
    assert all(may_reach(caller, path) for path in reached)
    assert not any(may_reach(caller, path) for path in refused)


async def test_a_key_with_the_scope_pages_signs_in_and_reaches_no_metrics(api: ServedApi, store: Store) -> None:
    _, headers = made(store, ("pages",))
    secret = headers["authorization"].removeprefix("Bearer ")
    assert (await api.http.get("/", params={"token": secret})).status_code == 303
    assert (await api.http.get("/metrics")).status_code == 403
    # Past the gate: there are no pages behind it here.
    assert (await api.http.get("/history")).status_code == 404


def test_nobody_tells_the_pages_who_they_are_but_the_gate() -> None:
    forged = [(b"X-Mlc-Caller-Scopes", b"admin"), (b"x-mlc-caller", b""), (b"host", b"h")]
    told: dict[bytes, Any] = dict(told_to_pages(forged, Caller("jwt:安", "安", frozenset({"pages"}))))
    assert told[b"x-mlc-caller-scopes"] == b"pages" and told[b"host"] == b"h"
    assert told[b"x-mlc-caller"] == b"jwt%3A%E5%AE%89"
    assert len(told_to_pages(forged, Caller())) == 4


PRICE = {"input_per_mtok": 1_000_000, "output_per_mtok": 1_000_000}
PRICED = {"models": {name: {"price": PRICE} for name in ("planner", "small", "large")}}


@pytest.mark.parametrize(("usd", "is_enough"), [(1e6, True), (1.0, False)])
async def test_a_budget_is_kept_model_by_model_within_plans_and_cooperations(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, usd: float, is_enough: bool
) -> None:
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    SavedPlans(tmp_path / "configs" / "plans").save("sums", OPTIONS)
    key, headers = made(store, budget_per_day_usd=usd)
    async with guarded(tmp_path, store, config=PRICED) as api:
        api.source.usual |= {"planner": PLAN, "small": "7", "large": "568"}
        for path, body in (("/v1/chat/completions", PLANNED), ("/cooperation/task", TOGETHER)):
            answer = await api.http.post(path, json=body, headers=headers)
            assert answer.status_code == (200 if is_enough else 429), answer.text
            if not is_enough:
                error = answer.json()["error"]
                assert (error["type"], error["code"]) == ("rate_limit_error", "insufficient_quota")
                assert "budget" in error["message"] and "raise it" in error["message"]
                # Clients ask again by themselves at once otherwise.
                assert answer.headers["x-should-retry"] == "false" and "retry-after" not in answer.headers
        if is_enough:
            await until(lambda: sum(one.requests for one in store.usage.totals(0)) >= 5)
            used = {one.model: one for one in store.usage.totals(0)}
            assert used.keys() == {"planner", "small", "large"}
            assert {one.caller for one in used.values()} == {key.id}
            assert all(one.micro_usd > 0 for one in used.values())
        else:
            assert api.source.asked == []
