"""Pictures as documents: a model that sees writes down what stands in them, and services work on that."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from multi_llm_comparator.applications.results import DataInsight, DocumentAnalysis
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.core.exceptions import RequestRefusedError
from multi_llm_comparator.tracking.store import Store
from tests.applications.test_run import claims
from tests.applications.working import PATIENCE_S, Replies, Working

WRITTEN = "Invoice 17\n\nThe roof was repaired for 1,250 dollars.\n\nA stamp in red is to be seen beneath."
SALES = "Sales: Jan: 890, Feb: 945, Mar: 1120"


def picture(format: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(written, format)
    return written.getvalue()


def seeing(prompt: str) -> str:
    if "picture" in prompt:
        return WRITTEN
    found = claims(("The roof was repaired for 1,250 dollars.", "The roof was repaired for 1,250 dollars, not 1,300"))
    return found if "claims" in prompt else "The roof was repaired for 1,250 dollars [1]."


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
async def test_what_stands_in_a_picture_is_quoted_and_checked(store: Store, tmp_path: Path, format: str) -> None:
    source = Replies(seeing)
    work = Working(store, source, tmp_path / "documents")
    found = await work.done("document_analysis", picture(format), name="scan.png", language="en")
    result = found.result
    assert isinstance(result, DocumentAnalysis), found.error
    claim = result.claims[0]
    assert (claim.state, claim.struck) == ("found", ("1,300",)) and claim.quote in WRITTEN
    assert "transcribed" in {remark.code for remark in result.remarks}
    shown = [request.images for request in source.asked]
    assert len(shown[0]) == 1 and shown[0][0].startswith("data:image/") and not any(shown[1:])


async def test_figures_of_a_picture_are_computed_with(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(lambda p: SALES if "picture" in p else "Sales rose to 1,120."), tmp_path / "docs")
    result = (await work.done("data_insight", picture(), name="chart.png")).result
    assert isinstance(result, DataInsight) and result.data_points == 3
    assert result.remarks[0].code == "transcribed"


async def test_a_question_is_told_to_whoever_looks_at_the_picture(store: Store, tmp_path: Path) -> None:
    source = Replies(seeing)
    work = Working(store, source, tmp_path / "documents")
    await work.done("document_analysis", picture(), analysis_type="questions", question="Which colour has the stamp?")
    assert "Which colour has the stamp?" in source.asked[0].messages[-1].content


@pytest.mark.parametrize(
    ("data", "reply", "more", "said"),
    [
        (picture(), "x", {"model": ""}, "nobody is asked to look at it"),
        (picture(), RequestRefusedError("this model does not see"), {}, "choose a model that sees images"),
        (picture(), " ", {}, "picture"),
        (picture()[:60], "x", {}, "damaged|cannot be read|truncated"),
    ],
)
async def test_a_picture_that_nobody_can_read_fails_in_words(
    store: Store, tmp_path: Path, data: bytes, reply: str | Exception, more: dict[str, str], said: str
) -> None:
    work = Working(store, Replies(lambda prompt: reply), tmp_path / "documents")
    found = await work.done("document_analysis", data, name="scan.png", **more)
    assert found.state == "failed" and found.error is not None
    assert re.search(said, found.error), found.error


async def test_a_resumed_run_does_not_look_at_the_picture_again(store: Store, tmp_path: Path) -> None:
    # It is written down, and then nobody answers.
    replies: list[str | None] = [WRITTEN, None]
    source = Replies(lambda prompt: replies.pop(0) if replies else seeing(prompt))
    work = Working(store, source, tmp_path / "documents")
    run = await work.begun("document_analysis", picture(), name="scan.png")
    async with asyncio.timeout(PATIENCE_S):
        while len(source.asked) < 2:
            await asyncio.sleep(0.01)
    await work.runs.stop(run.id)
    later = Working(store, source, tmp_path / "documents")
    again = await later.runs.resume(run.id, ServiceRun)
    async with asyncio.timeout(PATIENCE_S):
        await again.wait()
    assert again.state == "done" and isinstance(again.result, DocumentAnalysis)
    assert sum(bool(request.images) for request in source.asked) == 1
    await later.runs.aclose()
