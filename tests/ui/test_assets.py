from __future__ import annotations

from starlette.applications import Starlette
from starlette.testclient import TestClient

from multi_llm_comparator.ui.assets import PLOTLY_URL, asset_routes


def test_the_pages_charts_get_their_library_from_the_app_itself_and_may_keep_it():
    answer = TestClient(Starlette(routes=asset_routes())).get(PLOTLY_URL)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert b"Plotly" in answer.content
