"""What documents call their values stays text in charts."""

from __future__ import annotations

import json

import pytest

from multi_llm_comparator.applications.charts import data_charts
from multi_llm_comparator.applications.insight.figures import Data, Series
from multi_llm_comparator.ui.kit.live_chart import as_json
from multi_llm_comparator.ui.services.charts import drawn

LINK = '<a href="https://attacker.test">Sign in again</a>'


@pytest.mark.parametrize("is_ordered", [True, False])
def test_names_of_a_document_are_no_markup(is_ordered: bool) -> None:
    series = Series(name=LINK, unit=f"<b>{LINK}", labels=(LINK, "b"), values=(1.0, 2.0), is_ordered=is_ordered)
    (chart,) = data_charts(Data(series=(series,), findings=(), data_points=2), {(LINK, LINK)})
    shown = json.dumps(drawn(chart, "light"), ensure_ascii=False)
    assert "attacker.test" in shown
    assert "<a" not in shown and "<b" not in shown


@pytest.mark.parametrize("link", [LINK, LINK.upper(), "<a\thref=x>", "<a>"])
def test_no_text_of_a_figure_is_a_link(link: str) -> None:
    text = json.loads(as_json({"data": [{"name": link, "customdata": [[f"<b>one</b><br>{link}"]]}]}))["data"][0]
    assert text["name"].lower().startswith("&lt;a")
    assert text["customdata"][0][0].startswith("<b>one</b><br>&lt;")
