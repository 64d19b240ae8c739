from __future__ import annotations

import asyncio
import io
import json
import os
import stat
from pathlib import Path

import pytest

from multi_llm_comparator.applications.analysis.prompts import objects_in
from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.applications.export import export_service
from multi_llm_comparator.applications.reading.bounds import MAX_READERS
from multi_llm_comparator.applications.reading.process import places, read_document
from multi_llm_comparator.applications.results import DataInsight, DecisionSupport, DocumentAnalysis
from multi_llm_comparator.applications.sources import Documents
from multi_llm_comparator.applications.spec import SERVICES, spec_of
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, InferenceError
from multi_llm_comparator.tracking.store import Store
from tests.applications.working import PATIENCE_S, REPORT, Replies, Working
from tests.support.growth import grows_evenly


def claims(*pairs: tuple[str, str], kind: str | None = None) -> str:
    more = {"kind": kind} if kind else {}
    return json.dumps({"claims": [{"quote": quote, "claim": claim, **more} for quote, claim in pairs]})


def attentive(prompt: str) -> str:
    """A model that quotes what is there, once what is not, and sums up with one wrong number."""
    if "claims" in prompt:
        return claims(
            ("Revenue rose by 28% to 12.5 million", "Revenue grew by 28%, not 29%"),
            ("Raw materials cost 12% more", "Raw materials became 12% more expensive"),
            ("The board resigned", "The board of the company resigned"),
            kind="point",
        )
    return "Revenue rose by 28% to 12.5 million [1]. Raw materials cost 13% more [2]. See also [9]."


async def test_claims_have_sources_and_what_has_none_is_counted(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(attentive), tmp_path / "documents")
    found = await work.done("document_analysis", REPORT)
    result = found.result
    assert isinstance(result, DocumentAnalysis)
    first, second, lost = result.claims
    assert (first.state, second.state, lost.state) == ("found", "found", "not_found")
    assert first.place is not None and first.place.paragraph == 3 and first.place.heading == "Results:"
    assert first.struck == ("29%",) and "~~29%~~" in first.text
    assert result.unfounded == 1 and "resigned" not in result.text
    assert "~~13%~~" in result.summary and "[9]" not in result.summary and result.is_worded
    assert result.document_length == found.reading.words if found.reading else False


async def test_a_statement_is_only_shown_by_a_quote_that_is_about_it(store: Store, tmp_path: Path) -> None:
    strange = claims(("Profit rose by 35% to 1.8 million", "Raw materials cost 12% more"))
    work = Working(store, Replies(lambda p: strange if "claims" in p else "?"), tmp_path / "documents")
    result = (await work.done("document_analysis", REPORT)).result
    assert isinstance(result, DocumentAnalysis)
    claim = next(one for one in result.claims if one.state == "found")
    assert claim.quote == "Raw materials cost 12% more"


async def test_what_a_model_cannot_do_code_does_and_says_so(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(lambda prompt: "!!! ??? nonsense"), tmp_path / "documents")
    found = await work.done("document_analysis", REPORT)
    result = found.result
    assert isinstance(result, DocumentAnalysis) and not result.is_worded
    assert all(claim.state == "picked" and claim.quote in REPORT for claim in result.claims) and result.claims
    assert {"parts_picked", "summary_picked"} <= {remark.code for remark in result.remarks}


async def test_a_long_document_is_asked_in_parts_and_their_claims_are_one_text(store: Store, tmp_path: Path) -> None:
    source = Replies(lambda prompt: claims() if "claims" in prompt else "The document tells of the town and its line.")
    work = Working(store, source, tmp_path / "documents")
    text = "\n\n".join(f"Line {n} of the document tells of the town number {n}." for n in range(400))
    found = await work.done("document_analysis", text, analysis_type="summary", context_tokens=1024)
    result = found.result
    assert isinstance(result, DocumentAnalysis) and result.parts > 5
    assert all(len(request.messages[-1].content) < 1024 * 4 for request in source.asked)
    assert found.asked == found.expected == len(source.asked)


async def test_a_part_that_is_too_long_for_the_model_is_asked_in_halves(store: Store, tmp_path: Path) -> None:
    from multi_llm_comparator.core.exceptions import ContextOverflowError

    def narrow(prompt: str) -> str | Exception:
        return ContextOverflowError("too long") if len(prompt) > 1500 else attentive(prompt)

    work = Working(store, Replies(narrow), tmp_path / "documents")
    found = await work.done("document_analysis", REPORT + "\n\n".join(f"Sentence {n} says {n}." for n in range(40)))
    assert found.state == "done" and isinstance(found.result, DocumentAnalysis)
    assert any(claim.state == "found" for claim in found.result.claims)


async def test_a_question_is_asked_of_the_parts_that_fit_it(store: Store, tmp_path: Path) -> None:
    source = Replies(lambda prompt: claims() if "claims" in prompt else "no")
    work = Working(store, source, tmp_path / "documents")
    lines = [f"Paragraph {n} is about weather and rain and clouds in the mountains." * 4 for n in range(200)]
    lines[150] = "The treasurer keeps the golden key in a violin case."
    found = await work.done(
        "document_analysis", "\n\n".join(lines), question="Where is the golden key?", analysis_type="questions"
    )
    asked = [request.messages[-1].content for request in source.asked]
    assert any("violin case" in prompt for prompt in asked) and len(asked) <= 13
    assert isinstance(found.result, DocumentAnalysis)
    assert "parts_chosen" in {remark.code for remark in found.result.remarks}


async def test_the_models_wording_of_data_loses_what_the_data_does_not_give(store: Store, tmp_path: Path) -> None:
    wording = "Revenue rose by 70.8% from 890 to 1,520. It will reach 2,000 next year, 99% surely."
    work = Working(store, Replies(lambda prompt: wording), tmp_path / "documents")
    found = await work.done("data_insight", example_text("data_insight", "en"))
    result = found.result
    assert isinstance(result, DataInsight) and result.data_points == 32
    assert result.struck == ("2,000", "99%") and "~~2,000~~" in result.text


async def test_scores_count_only_with_a_quote_that_is_there(store: Store, tmp_path: Path) -> None:
    def judge(prompt: str) -> str:
        if '"scores"' not in prompt:
            return "Option A Alibaba Cloud is recommended, with 4.33 of 5 points."
        pairs = [("reliability", 5, "most mature and reliable technology"), ("compliance", 5, "made up entirely")]
        return json.dumps({"scores": [{"criterion": c, "score": s, "quote": q} for c, s, q in pairs]})

    work = Working(store, Replies(judge), tmp_path / "documents")
    result = (await work.done("decision_support", example_text("decision_support", "en"))).result
    assert isinstance(result, DecisionSupport)
    by_model = [(score.option, score.criterion) for score in result.decision.scores if score.evidence == "model"]
    assert by_model == [("Option B", "reliability")]
    assert result.decision.winner == "Option A" and set(result.decision.excluded) == {"Option B", "Option D"}


async def test_options_that_only_a_model_can_tell_are_taken_with_their_quotes(store: Store, tmp_path: Path) -> None:
    text = "We could rent the hall in Bonn, which is cheap. Or we take the ship on the Rhine; it is grand but costly."
    quoted = {"options": [{"name": "the hall", "quote": "rent the hall in Bonn"}, {"name": "the ship", "quote": "take the ship on the Rhine"}, {"name": "a tent", "quote": "pitch a tent"}]}  # fmt: skip  # noqa: E501
    work = Working(store, Replies(lambda p: json.dumps(quoted) if '"options"' in p else "?"), tmp_path / "documents")
    result = (await work.done("decision_support", text)).result
    assert isinstance(result, DecisionSupport)
    assert [option.name for option in result.decision.problem.options] == ["the hall", "the ship"]


async def test_without_a_model_everything_is_computed(store: Store, tmp_path: Path) -> None:
    source = Replies(lambda prompt: InferenceError("must not be asked"))
    work = Working(store, source, tmp_path / "documents")
    for service in SERVICES:
        found = await work.done(service, example_text(service, "zh"), model="")
        assert found.state == "done" and found.result is not None and found.result.language == "zh"
    assert not source.asked


# --- its life -------------------------------------------------------------------------------------------------------


async def test_a_stopped_run_is_resumed_and_nothing_is_asked_twice(store: Store, tmp_path: Path) -> None:
    text = "\n\n".join(f"Line {n} of the document tells of the town number {n}." for n in range(150))
    hangs = True

    def reply(prompt: str) -> str | None:
        return (
            None if hangs and "number 100" in prompt else claims() if "claims" in prompt else "The town and its line."
        )

    work = Working(store, Replies(reply), tmp_path / "documents", in_flight=1)
    run = await work.begun("document_analysis", text, context_tokens=1024)
    async with asyncio.timeout(PATIENCE_S):
        while not any("number 100" in request.messages[-1].content for request in work.source.asked):
            await asyncio.sleep(0.01)
    await work.runs.stop(run.id)
    assert run.state == "stopped"
    answered, before = set(run.answers), len(work.source.asked)
    hangs = False
    # As another process would: from the store.
    other = Working(store, Replies(reply), tmp_path / "documents", in_flight=1)
    again = await other.registry.resume(run.id)
    async with asyncio.timeout(PATIENCE_S):
        await again.wait()
    assert again.state == "done" and again.result is not None and answered and before > len(answered)
    assert len(other.source.asked) == len(again.answers) - len(answered)


async def test_a_model_that_fails_is_said_and_asked_again_when_it_is_resumed(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(lambda prompt: InferenceError("it died")), tmp_path / "documents")
    found = await work.done("document_analysis", REPORT)
    assert isinstance(found.result, DocumentAnalysis)
    assert [r.values["why"] for r in found.result.remarks if r.code == "parts_failed"] == ["it died"]


async def test_a_deadline_ends_it_with_what_is_answered_kept(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(lambda prompt: None), tmp_path / "documents")
    found = await work.done("data_insight", example_text("data_insight", "en"), deadline_s=3.0)
    assert found.state == "failed" and "3.0 s" in (found.error or "")


async def test_a_document_that_cannot_be_read_fails_in_words(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(attentive), tmp_path / "documents")
    found = await work.done("document_analysis", b"%PDF-1.7\nnothing", name="a.pdf")
    assert found.state == "failed" and "damaged" in (found.error or "")
    with pytest.raises(DocumentError, match="empty"):
        await work.begun("document_analysis", b"  ", name="a.txt")


async def test_deleting_a_run_deletes_its_document(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(attentive), tmp_path / "documents")
    found = await work.done("document_analysis", REPORT)
    assert (await work.registry.document(found.id)).decode() == REPORT
    await work.runs.delete([found.id])
    with pytest.raises(DocumentError):
        await work.registry.document(found.id)


async def test_it_is_exported_in_every_format_and_read_again_from_the_store(store: Store, tmp_path: Path) -> None:
    import docx

    work = Working(store, Replies(attentive), tmp_path / "documents")
    hostile = REPORT + "\n\n- <script>alert(1)</script> ![x](http://e.vil/a.png) costs 12% more\n"
    found = await work.done("document_analysis", hostile)
    other = Working(store, Replies(attentive), tmp_path / "documents")
    files = {format: await other.registry.export(found.id, format, "en") for format in export_service.formats}
    assert json.loads(files["json"])["result"]["analysis"] == found.result.text if found.result else False
    assert b"<script>" not in files["html"] and b"<s>13%</s>" in files["html"]
    assert b"![x](" not in files["markdown"] and b"~~13%~~" in files["markdown"]
    document = docx.Document(io.BytesIO(files["docx"]))
    struck = [run.text for paragraph in document.paragraphs for run in paragraph.runs if run.font.strike]
    assert "13%" in struck and len(document.tables) == 1


@pytest.mark.parametrize(
    ("service", "parameters", "why"),
    [
        ("documents", {}, "did you mean"),
        ("document_analysis", {"analysis_type": "sumary"}, "it has comprehensive"),
        ("document_analysis", {"analysis_type": "questions"}, "question is needed"),
        ("data_insight", {"langage": "en"}, "did you mean 'language'"),
        ("decision_support", {"weights": {"cost": -1}}, "weights"),
        ("document_analysis", {"answer_tokens": 2000}, "at most half"),
    ],
)
def test_wrong_parameters_are_named(service: str, parameters: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        spec_of(service, parameters)


def test_an_answer_that_is_no_json_takes_as_long_as_it_is() -> None:
    assert grows_evenly(lambda text: list(objects_in(text, "claims")), '{"')


async def test_only_so_many_documents_are_read_at_once(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(attentive), tmp_path / "documents")
    readers = places()
    for _ in range(MAX_READERS):
        await readers.acquire()
    run = await work.begun("document_analysis", REPORT)
    await asyncio.sleep(0.1)
    assert run.phase == "reading" and run.read is None
    readers.release()
    async with asyncio.timeout(PATIENCE_S):
        await run.wait()
    assert run.state == "done"


async def test_documents_of_pages_wait_for_the_same_places(store: Store, tmp_path: Path) -> None:
    for _ in range(MAX_READERS):
        await places().acquire()
    reading = asyncio.ensure_future(read_document("a.txt", b"attached"))
    await asyncio.sleep(0.1)
    assert not reading.done()
    places().release()
    async with asyncio.timeout(PATIENCE_S):
        assert (await reading).text == "attached"


def test_documents_of_all_runs_have_a_bound_and_the_oldest_goes(tmp_path: Path) -> None:
    documents = Documents(tmp_path / "documents", max_bytes=100)
    for number, name in enumerate(("aaaa", "bbbb", "cccc")):
        documents.keep(name, name.encode() * 10)
        os.utime(tmp_path / "documents" / f"{name}.document", (number, number))
    with pytest.raises(DocumentError, match="not there any more"):
        documents.load("aaaa")
    assert (documents.load("bbbb"), documents.load("cccc")) == (b"bbbb" * 10, b"cccc" * 10)
    documents.keep("dddd", b"d" * 200)
    assert documents.load("dddd") == b"d" * 200 and len(list((tmp_path / "documents").iterdir())) == 1
    assert stat.S_IMODE((tmp_path / "documents" / "dddd.document").stat().st_mode) == 0o600
