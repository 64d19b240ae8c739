"""``IntelligentRouter``: a question goes to the model, the group or the cooperation of models that suits it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import MultiLLMError, error_from_name
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.routing.analysis import analyse
from multi_llm_comparator.routing.candidates import Candidate
from multi_llm_comparator.routing.decision import Preference, RoutingDecision, choose
from multi_llm_comparator.routing.rules import Rules, load_rules
from multi_llm_comparator.routing.statistics import RoutingCounts

logger = logging.getLogger(__name__)

MAX_KEPT_DECISIONS, KEPT_S = 1000, 60.0
# The chosen one and the next best: a question is not asked through the whole list.
MAX_ASKED = 3


class Learnt(Protocol):
    """A router that was learnt from recorded answers (:mod:`routing.learnt`)."""

    @property
    def version(self) -> str: ...

    def chosen(self, query: str, decision: RoutingDecision, preference: Preference) -> RoutingDecision:
        """``decision``, or another one among the same candidates where what was learnt is to be trusted."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a router works in.

    Attributes:
        answers: who answers for every name that a decision may hold.
        candidates: who is there now.
        modes: names of the cooperation modes that ``answers`` knows.
        learnt: the learnt router in use, or None.
        priority: the user's own ``quality_priority``, or None for the rules'.
    """

    answers: TextSource
    candidates: Callable[[Rules], Sequence[Candidate]]
    modes: Callable[[], Sequence[str]] = tuple
    learnt: Callable[[], Learnt | None] = field(default=lambda: None)
    priority: Callable[[], float | None] = field(default=lambda: None)


@dataclass(frozen=True, kw_only=True)
class Routed:
    """An answer with the way to it. ``failed`` are those that were asked before and failed, with their errors."""

    text: str
    decision: RoutingDecision
    target: str
    answered_by: str
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    is_cut: bool
    failed: tuple[tuple[str, str], ...] = ()


# What all routers of the process count together that are not given counts of their own.
_COUNTS = RoutingCounts()


class IntelligentRouter:
    """Decides who answers a question, and asks. Made without arguments it works from any event loop, with the
    workbench of this process, which is opened where none is.

    Args:
        around: what it works in; that of the process's workbench by default.
        rules: how it decides; those of the package and of ``routing.yaml`` by default.
        counts: where it counts; all that are given none count together.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        around: Surroundings | None = None,
        rules: Rules | None = None,
        counts: RoutingCounts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given, self._rules, self._clock = around, rules, clock
        self._kept: OrderedDict[str, tuple[float, RoutingDecision]] = OrderedDict()
        self.counts = counts or _COUNTS

    @property
    def rules(self) -> Rules:
        """Read once. Raises ConfigurationError: ``routing.yaml`` cannot be used."""
        if self._rules is None:
            self._rules = load_rules()
        return self._rules

    @property
    def around(self) -> Surroundings:
        """What it works in."""
        assert self._given is not None, "only the workbench's own router is asked for it"
        return self._given

    def reload(self) -> None:
        """Read the rules anew with the next question."""
        self._rules = None

    def decide(
        self, query: str, *, has_images: bool = False, among: Callable[[str], bool] | None = None, **weights: Any
    ) -> RoutingDecision:
        """Who should answer, without asking.

        Args:
            query: the question.
            has_images: whether images come with it.
            among: says of a name whether it may be chosen; any may where absent.
            weights: ``quality_priority`` (0 to 1), ``cost`` and ``latency``; the rules' own where absent.

        Raises:
            InvalidParameterError: a weight that is none.
            NoModelAvailableError: nobody can be asked.
        """
        if self._given is None:
            from multi_llm_comparator.cooperation.standalone import services

            return self._decided(services().router.around, query, has_images, weights, among)
        return self._decided(self._given, query, has_images, weights, among)

    def _decided(
        self,
        around: Surroundings,
        query: str,
        has_images: bool,
        weights: Mapping[str, float | None],
        among: Callable[[str], bool] | None = None,
    ) -> RoutingDecision:
        rules = self.rules
        if weights.get("quality_priority") is None:
            weights = {**weights, "quality_priority": around.priority()}
        preference = Preference.of(rules, **weights)
        candidates, modes = tuple(around.candidates(rules)), tuple(around.modes())
        if among is not None:
            candidates = tuple(one for one in candidates if among(one.name))
            modes = tuple(mode for mode in modes if among(f"{COOPERATE}{mode}"))
        learnt = around.learnt()
        key = _key(query, has_images, preference, candidates, modes, learnt.version if learnt else "")
        decision = self._known(key)
        if decision is None:
            analysis = analyse(query, rules, has_images=has_images)
            decision = choose(analysis, candidates, rules, preference, query=query, modes=modes)
            if learnt is not None and decision.kind != "mode":
                decision = learnt.chosen(query, decision, preference)
            self._keep(key, decision)
        self.counts.decided(decision)
        return decision

    async def route_request(self, query: str, **weights: Any) -> str:
        """The answer's text. Raises as :meth:`route`."""
        return (await self.route(query, **weights)).text

    async def route(
        self,
        query: str,
        *,
        images: Sequence[str] = (),
        config: ModelConfig | None = None,
        **weights: float | None,
    ) -> Routed:
        """Decide and ask; where the chosen one fails, the next best is asked, ``MAX_ASKED`` at most.

        Args:
            query: the question.
            images: as ``https:`` or ``data:`` URLs.
            config: how the answer is written.
            weights: see :meth:`decide`.

        Raises:
            MultiLLMError: nobody can be asked, or everybody that was asked failed; the last one's error.
        """
        config = config or ModelConfig()
        if self._given is not None:
            return await self._route(self._given, query, tuple(images), config, weights)
        from multi_llm_comparator.cooperation.standalone import with_services

        return await with_services(
            lambda found: self._route(found.router.around, query, tuple(images), config, weights)
        )

    async def _route(
        self,
        around: Surroundings,
        query: str,
        images: tuple[str, ...],
        config: ModelConfig,
        weights: Mapping[str, float | None],
    ) -> Routed:
        began = self._clock()
        decision = self._decided(around, query, bool(images), weights)
        self.counts.asked(decision)
        failed: list[tuple[str, str]] = []
        answered = False
        try:
            for target in targets_of(decision):
                request = GenerationRequest(messages=(Message("user", query, images),), config=config)
                progress = await ask(around.answers, target, request, AnswerProgress(requested_at=now()))
                if progress.state == "done":
                    answered = True
                    return self._routed(decision, target, progress, self._clock() - began, failed)
                failed.append((target, progress.error or progress.state))
                logger.warning("%r was chosen for a question and failed: %s", target, failed[-1][1])
            said = "; ".join(f"{target!r}: {error}" for target, error in failed)
            raise error_from_name(progress.error_type or MultiLLMError.__name__, said)
        finally:
            self.counts.ended(self._clock() - began, answered=answered, fell_back=answered and bool(failed))

    def _routed(
        self,
        decision: RoutingDecision,
        target: str,
        progress: AnswerProgress,
        seconds: float,
        failed: Sequence[tuple[str, str]],
    ) -> Routed:
        return Routed(
            text=progress.text,
            decision=decision,
            target=target,
            answered_by=progress.answered_by or target,
            seconds=seconds,
            prompt_tokens=progress.prompt_tokens,
            completion_tokens=progress.tokens,
            is_cut=progress.finish_reason == "length",
            failed=tuple(failed),
        )

    def get_routing_stats(self) -> dict[str, Any]:
        """``total_requests``, ``success_rate``, ``average_latency`` (seconds), ``strategy_usage`` and more: see
        :meth:`RoutingCounts.to_dict`."""
        return self.counts.to_dict()

    def _known(self, key: str) -> RoutingDecision | None:
        at, decision = self._kept.get(key, (0.0, None))
        if decision is None or self._clock() - at > KEPT_S:
            return None
        return replace(decision, is_cached=True)

    def _keep(self, key: str, decision: RoutingDecision) -> None:
        self._kept[key] = (self._clock(), decision)
        while len(self._kept) > MAX_KEPT_DECISIONS:
            self._kept.popitem(last=False)


def targets_of(decision: RoutingDecision) -> tuple[str, ...]:
    """Who is asked in turn: the chosen one, then the next best that can be."""
    others = (one.target for one in decision.alternatives if not one.why_not)
    return (decision.target, *others)[:MAX_ASKED]


def _key(query: str, has_images: bool, *rest: object) -> str:
    """What a decision depends on, as a digest: questions are long, and need not be kept."""
    parts = "\0".join(map(repr, (query, has_images, *rest)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
