"""A service at work: a document read, questions asked, a result. Outlives the page that started it."""

from __future__ import annotations

import asyncio
import math

from multi_llm_comparator.applications.analysis.analyse import analyse
from multi_llm_comparator.applications.answers import Answered, answered, digest_of
from multi_llm_comparator.applications.decision.support import support
from multi_llm_comparator.applications.desk import Question, Reply, estimated_tokens
from multi_llm_comparator.applications.documents import DOCUMENT, KIND, RESULT, ServiceDocument
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.insight.wording import put_into_words
from multi_llm_comparator.applications.pictures import is_picture, transcribed
from multi_llm_comparator.applications.reading.pieces import Reading, Remark
from multi_llm_comparator.applications.reading.process import ask_child
from multi_llm_comparator.applications.results import Result
from multi_llm_comparator.applications.snapshot import Phase, ServiceSnapshot
from multi_llm_comparator.applications.so_far import MAX_CHARS, Writing
from multi_llm_comparator.applications.sources import ServiceSources
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.applications.words import title_without_document
from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import DeadlineExceededError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.runs.stored import life_of, record_of
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

MAX_TITLE_CHARS = 200
# Tokens of a chat template around a prompt, and of what an estimate may be wrong by.
TEMPLATE_TOKENS = 48
# Of a text, what its tokens are counted in; and what other places may have more.
SAMPLE_CHARS, SAFETY = 4_000, 1.1


class ServiceRun(TaskRun[ServiceSnapshot, Phase]):
    """One piece of work.

    It is the desk of its own service: what was answered before is given again when the run is resumed.
    """

    kind = KIND

    def __init__(self, sources: ServiceSources, spec: ServiceSpec, *, run_id: str) -> None:
        self.id, self.spec, self._sources = run_id, spec, sources
        self.created_at = now()
        # What is read, and what was found; both are stored as items, once.
        self.read: Reading | Data | None = None
        self.result: Result | None = None
        self.answers: dict[str, Answered] = {}
        self.running: dict[str, AnswerProgress] = {}
        # The time that earlier sittings took, and when this one began.
        self.worked_before_s = 0.0
        self._began_at = 0.0
        self._asked_since: list[float] = []
        self._expected = 0
        self._used: set[str] = set()
        self._places = asyncio.Semaphore(sources.in_flight)
        self._tokens_per_estimate = 1.0

    @property
    def title(self) -> str:
        """The file's name, the question, or the beginning of the text."""
        head = self.spec.name or self.spec.question
        if not head and isinstance(self.read, Reading) and self.read.pieces:
            head = self.read.pieces[0].text
        if not head and isinstance(self.read, Data):
            head = self.read.title or (self.read.series[0].title if self.read.series else "")
        return cut_line(head, MAX_TITLE_CHARS) if head else title_without_document(self.spec)

    @property
    def worked_s(self) -> float:
        end = self.ended_at if self.is_over and self.ended_at is not None else now()
        return self.worked_before_s + (max(0.0, end - self._began_at) if self._began_at else 0.0)

    # --- looking at it ----------------------------------------------------------------------------------------------

    def _as_of(self) -> tuple[object, ...]:
        # How long it has worked is new each time.
        return (*super()._as_of(), None if self.is_over else now())

    def frozen(self) -> ServiceSnapshot:
        done = [self.answers[key] for key in self._used if key in self.answers]
        costs = [one.cost_usd for one in self.answers.values() if one.cost_usd is not None]
        return ServiceSnapshot(
            **self.head(),
            spec=self.spec,
            reading=self.read if isinstance(self.read, Reading) else None,
            data=self.read if isinstance(self.read, Data) else None,
            result=self.result,
            expected=max(self._expected, len(self._used)),
            asked=len(done),
            writing=self._writing(),
            left_s=self._left_s(),
            worked_s=self.worked_s,
            tokens=sum(one.tokens + one.prompt_tokens for one in self.answers.values()),
            cost_usd=math.fsum(costs) if costs else None,
            answered_by=tuple(dict.fromkeys(one.answered_by for one in self.answers.values() if one.is_answer)),
            error_types=tuple(dict.fromkeys(one.error_type for one in self.answers.values() if one.error_type)),
        )

    def _writing(self) -> tuple[Writing, ...]:
        return tuple(
            Writing(
                key=key,
                state=progress.state,
                for_s=max(0.0, now() - progress.requested_at),
                tokens=progress.tokens,
                text=progress.text[:MAX_CHARS],
            )
            for key, progress in self.running.items()
        )

    def _left_s(self) -> float | None:
        """By the pace of this sitting; None before its second answer."""
        open_questions = self._expected - sum(key in self.answers for key in self._used)
        if self.is_over or len(self._asked_since) < 2:
            return None
        took = self._asked_since[-1] - self._began_at
        return max(0.0, open_questions * took / len(self._asked_since))

    # --- its life ---------------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Ask what has no answer yet, also what failed."""
        if self.state == "done":
            return
        self.answers = {key: one for key, one in self.answers.items() if one.is_answer}
        self.error, self.ended_at, self.result = None, None, None
        self._enter("queued")
        self.begin()

    async def work(self) -> None:
        self._began_at, self._expected = now(), 0
        self._asked_since, self._used = [], set()
        try:
            self._enter("running", "reading")
            async with asyncio.timeout(self.spec.deadline_s):
                await self._read_document()
                self._enter("running", "asking")
                await self.save()
                await self._calibrate()
                self.result = await self._result()
        except TimeoutError:
            self.error = f"{DeadlineExceededError.__name__}: it was not done within {self.spec.deadline_s} s"

    async def _read_document(self) -> None:
        if self.read is not None:
            return
        data = await asyncio.to_thread(self._sources.documents.load, self.id)
        remarks: list[Remark] = []
        if is_picture(data):
            data, remarks = await transcribed(self, self.spec, data)
        op = "insight" if self.spec.service_type == "data_insight" else "read"
        found = await ask_child({"op": op, "name": self.spec.name}, data)
        read = Data.model_validate(found["data"]) if op == "insight" else Reading.model_validate(found["reading"])
        self.read = read.model_copy(update={"remarks": (*remarks, *read.remarks)})
        await self._commit(DOCUMENT)

    async def _result(self) -> Result:
        if isinstance(self.read, Data):
            return await put_into_words(self, self.spec, self.read)
        assert self.read is not None
        work = support if self.spec.service_type == "decision_support" else analyse
        return await work(self, self.spec, self.read)

    async def wind_up(self) -> list[str]:
        self.running.clear()
        self.worked_before_s, self._began_at = self.worked_s, 0.0
        return [RESULT] if self.result else []

    # --- its desk ---------------------------------------------------------------------------------------------------

    @property
    def has_model(self) -> bool:
        return bool(self.spec.target)

    @property
    def prompt_tokens(self) -> int:
        return self.spec.context_tokens - self.spec.answer_tokens - TEMPLATE_TOKENS

    def expect(self, questions: int) -> None:
        self._expected += questions
        self.version += 1

    async def tokens_of(self, text: str) -> int:
        return math.ceil(estimated_tokens(text) * self._tokens_per_estimate)

    async def _calibrate(self) -> None:
        """Learn from a sample of the text how many tokens this model reads in such a one."""
        text = self.read.text if self.read is not None else ""
        at = max(0, len(text) // 2 - SAMPLE_CHARS)
        sample = text if len(text) <= 3 * SAMPLE_CHARS else text[:SAMPLE_CHARS] + text[at : at + 2 * SAMPLE_CHARS]
        if not self.has_model or not sample.strip():
            return
        counted = await self._sources.count_tokens(self.spec.target, sample, self.spec.context_tokens)
        if counted:
            self._tokens_per_estimate = SAFETY * counted / estimated_tokens(sample)

    async def ask(self, key: str, question: Question) -> Reply:
        digest = digest_of(question, self.spec.target)
        known = self.answers.get(key)
        self._used.add(key)
        if known is None or known.digest != digest or not known.is_answer:
            async with self._places:
                known = await self._asked(key, question, digest)
        return known

    async def _asked(self, key: str, question: Question, digest: str) -> Answered:
        config = ModelConfig(
            temperature=self.spec.temperature,
            max_tokens=question.max_tokens,
            n_ctx=self.spec.context_tokens,
            system_prompt=question.system,
            seed=0,
        )
        request = GenerationRequest(
            messages=(Message("user", question.prompt, question.images),),
            config=config,
            run_id=self.id,
            constraint=Constraint.of_schema(question.schema) if question.schema is not None else None,
        )
        progress = self.running[key] = AnswerProgress(requested_at=now())
        try:
            await ask(self._sources.texts, self.spec.target, request, progress, lambda _: self.changed())
        finally:
            self.running.pop(key, None)
        found = self.answers[key] = answered(digest, self.spec.target, progress)
        self._asked_since.append(now())
        self.version += 1
        await self._commit(key)
        return found

    # --- what is stored ---------------------------------------------------------------------------------------------

    def run_record(self) -> RunRecord:
        """Its line in lists says which service, and whom it asks."""
        spec = self.spec
        return record_of(
            self,
            ServiceDocument(spec=spec, worked_s=self.worked_s, **life_of(self)),
            detail=f"{spec.service_type}, {spec.kind}{f': {spec.target}' if spec.target else ''}",
            models=[spec.target] if spec.target else [],
            search_text=self.result.text if self.result else self.title,
        )

    def item_record(self, key: str) -> ItemRecord:
        """What was read, the result, or an answer."""
        if key == DOCUMENT and self.read is not None:
            return self._item(key, 0, "", {"read": self.read.model_dump(mode="json")})
        if key == RESULT and self.result is not None:
            return self._item(key, 1, self.result.text, {"result": self.result.model_dump(mode="json")})
        answer = self.answers[key]
        record = {name: value for name, value in answer.to_dict().items() if name != "text"}
        status = "done" if answer.is_answer else "failed"
        return self._item(key, 2 + list(self.answers).index(key), answer.text, {"answer": record}, status)

    def _item(self, key: str, position: int, text: str, record: dict[str, object], status: str = "done") -> ItemRecord:
        return ItemRecord(run_id=self.id, key=key, position=position, status=status, text=text, record=record)
