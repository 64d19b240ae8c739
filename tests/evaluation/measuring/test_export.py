from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.spec import JudgeSpec
from multi_llm_comparator.evaluation.measuring.words import WORDS
from tests.evaluation.measuring.making import Opened, Saying, asked_all, evaluation, prompt_set

EVIL = "<script>alert(1)</script> ![x](http://127.0.0.1/x) =1+1"


async def exported(opened: Opened, format: str, language: Language = "en", **more: Any) -> str:
    prompts = prompt_set((EVIL, "1"), ("2?", "2"), compare="contains")
    run = await asked_all(
        opened(Saying(lambda target, _: EVIL if target == "a" else "=2")), evaluation(prompts, "a", "b", **more)
    )
    return export_evaluation(run.snapshot(), format, language).decode("utf-8-sig")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_page_needs_nothing_else_and_runs_nothing(opened: Opened, language: Language) -> None:
    page = await exported(opened, "html", language, title=EVIL)
    assert "<script" not in page
    assert not re.search(r"<(?:img|link|iframe)|src=|url\(", page)
    assert "default-src 'none'" in page
    assert WORDS[language]["verdict"] in page
    assert "&lt;script&gt;" in page


async def test_markdown_holds_text_of_others_where_it_is_no_markup(opened: Opened) -> None:
    text = await exported(opened, "markdown", title=EVIL)
    assert "![x](http" not in text
    assert "<script>" not in text
    assert "## Verdict" in text
    assert "not separable with 2 prompts" in text


async def test_csv_has_a_row_for_each_answer_and_no_formula(opened: Opened) -> None:
    rows = list(csv.DictReader(io.StringIO(await exported(opened, "csv"))))
    assert len(rows) == 4
    assert {row["answer"] for row in rows} == {EVIL, "'=2"}
    assert [row["value"] for row in rows if row["model"] == "b"] == ["0.0", "1.0"]


async def test_json_has_everything(opened: Opened) -> None:
    data = json.loads(await exported(opened, "json"))
    assert data["spec"]["prompts"]["rows"][1]["prompt"] == "2?"
    assert len(data["answers"]) == 4
    assert data["results"]["verdicts"][0]["outcome"] == "not_separable"


async def test_a_judges_verdict_stands_beside_what_is_known_of_the_judge(opened: Opened) -> None:
    prompts = prompt_set({"prompt": "Write.", "compare": "judged"})
    source = Saying(lambda target, _: json.dumps({"reason": "x", "better": "first"}) if target == "judge" else target)
    run = await asked_all(opened(source), evaluation(prompts, "a", "b", judge=JudgeSpec(target="judge")))
    text = export_evaluation(run.snapshot(), "markdown").decode()
    assert "whose agreement with you is not known" in text
    assert "the order decided in 100% of 1 (21–100%)" in text.replace("The order", "the order")


async def test_another_format_is_refused(opened: Opened) -> None:
    with pytest.raises(ConfigurationError, match="html, json, csv, markdown"):
        await exported(opened, "pdf")
    assert set(export_evaluation.formats) == {"html", "json", "csv", "markdown"}
