from __future__ import annotations

import re
from importlib.resources import files

from starlette.applications import Starlette
from starlette.testclient import TestClient

from multi_llm_comparator.ui.kit.assets import PLOTLY_URL, asset_routes, page_script_hashes


def test_the_pages_charts_get_their_library_from_the_app_itself_and_may_keep_it() -> None:
    answer = TestClient(Starlette(routes=asset_routes())).get(PLOTLY_URL)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert b"Plotly" in answer.content


def test_every_script_within_streamlits_page_is_named_for_its_policy() -> None:
    page = files("streamlit").joinpath("static", "index.html").read_text(encoding="utf-8")
    within = [tag for tag in re.findall("<script[^>]*>", page) if "src=" not in tag]
    assert len(page_script_hashes()) == len(within)
    assert all(re.fullmatch(r"sha256-[A-Za-z0-9+/]{43}=", one) for one in page_script_hashes())
    assert not re.findall(r"\son\w+=", page)


def test_the_first_page_is_found_by_its_name_too() -> None:
    client = TestClient(Starlette(routes=asset_routes()), follow_redirects=False)
    answer = client.get("/compare?run=abc&lang=zh")
    assert (answer.status_code, answer.headers["location"]) == (307, "/?run=abc&lang=zh")
