from __future__ import annotations

from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.tracking.usage import UsageRecord
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.usage.chart import usage_chart
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import opened


def asked(caller: str = "", model: str = "ash", **more: Any) -> UsageRecord:
    return UsageRecord(
        at=now() - 60, caller=caller, model=model, path="/chat/completions", status=200, latency_s=1.5, **more
    )


def test_a_page_without_requests_says_where_to_ask(bench: Workbench) -> None:
    test = opened("usage")
    assert "/v1" in test.info[0].value


def test_requests_are_shown_by_key_and_model(bench: Workbench) -> None:
    key, _ = bench.store.api_keys.create("my *laptop*")
    bench.store.usage.add([asked(key.id, prompt_tokens=10, micro_usd=2500), asked(), asked("jwt:ann", "<b>birch</b>")])
    test = opened("usage")
    table = test.dataframe[0].value
    assert set(table[i18n.translate("en", "usage.key")]) == {"my *laptop*", "this machine, no key", "signed token: ann"}
    assert "$0.0025" in set(table[i18n.translate("en", "usage.cost")])
    for measure in ("tokens", "cost"):
        test.segmented_control(key="usage_measure").set_value(measure).run()
        assert not test.exception


def test_what_models_are_called_is_no_markup_in_the_chart(bench: Workbench) -> None:
    at = now()
    bench.store.usage.add([asked(model="<a href='x'>%{y}</a>")])
    buckets = bench.store.usage.over_time(at - 3600, at + 1, 60, "model")
    labels = {one.model: one.model for one in buckets}
    figure = usage_chart(buckets, "model", labels, "requests", (at - 3600, at), 60, None, "light")
    (trace,) = figure["data"]
    assert trace["y"] == [1] and "<a" not in trace["name"] and "%{y}" not in trace["hovertemplate"]
