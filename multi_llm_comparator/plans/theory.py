"""What a plan should take: the schedule that a number of workers allows, from how fast its models are.

List scheduling with the executor's own rule (of the ready steps, the one with the longest chain behind it first), so
that prediction and execution differ only by what the models do. Graham (1969) bounds such schedules: at most
2 - 1/workers times the optimum.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.prompts import joined_results
from multi_llm_comparator.plans.ready import ReadySet
from multi_llm_comparator.plans.simulation import Background, Simulation

CHARACTERS_PER_TOKEN = 3.0


@dataclass(frozen=True, slots=True)
class SeenAnswer:
    """An answer that a model gave to a step: how long it was, and to what."""

    task: str
    difficulty: int
    token: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How fast and how dear a model is: seconds to the first token, tokens per second after it, dollars per token.

    These are for a model that has the machine to itself and a prompt of ``prompt_tokens``; a longer one takes
    ``s_per_prompt_token`` more each. ``overhead_s`` is what a step takes besides its model, ``handoff_s`` what it takes
    from its end to the start of those that need it. Each other step on the same model makes a step take ``beside_same``
    of its time longer, each other model at work ``beside_other``. ``seen`` are earlier answers, the latest last.
    ``of_same_run`` says that these come from the run which they are to predict.
    """

    ttft_s: float
    tokens_per_second: float
    usd_per_token: float = 0.0
    tokens_per_answer: float | None = None
    overhead_s: float = 0.0
    handoff_s: float = 0.0
    prompt_tokens: float = 0.0
    s_per_prompt_token: float = 0.0
    beside_same: float = 0.0
    beside_other: float = 0.0
    seen: tuple[SeenAnswer, ...] = ()
    of_same_run: bool = False

    def tokens_of(self, step: Step) -> float:
        """Expected tokens, within the step's budget: as in earlier answers to the same task, else to similar ones, else
        what answers of this model take as a rule."""
        if same := [s.tokens for s in self.seen if s.task == step.task]:
            return min(float(step.token), median(same))
        if self.seen:
            weights = [_likeness(seen, step) for seen in self.seen]
            likely = sum(w * s.tokens for w, s in zip(weights, self.seen, strict=True)) / sum(weights)
            return min(float(step.token), likely)
        return step.token if self.tokens_per_answer is None else min(float(step.token), self.tokens_per_answer)

    def duration_s(self, step: Step, prompt_tokens: float | None = None) -> float:
        """Expected seconds for one step alone: the first token, then the others.

        Args:
            step: what is to be solved.
            prompt_tokens: length of its prompt; None: as usual.
        """
        longer = 0.0 if prompt_tokens is None else prompt_tokens - self.prompt_tokens
        decoding_s = max(0.0, self.tokens_of(step) - 1) / self.tokens_per_second
        return max(0.0, self.overhead_s + self.ttft_s + longer * self.s_per_prompt_token + decoding_s)

    def stretch(self, same: int, others: int) -> float:
        """How many times as long a step takes beside ``same`` others on this model, and with ``others`` more models."""
        return 1.0 + self.beside_same * same + self.beside_other * others


def _likeness(seen: SeenAnswer, step: Step) -> float:
    """Weight of an earlier answer for what a step's will be: difficulty, budget and length of the task count."""
    distance = abs(seen.difficulty - step.difficulty) / 2 + abs(math.log(seen.token / step.token))
    return math.exp(-distance - 2 * abs(math.log((1 + len(seen.task)) / (1 + len(step.task)))))


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """When a step should run, in seconds from the start of the schedule, and with which model."""

    step: Step
    target: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Schedule:
    """A predicted run of a plan."""

    steps: tuple[ScheduledStep, ...]
    critical_path: tuple[str, ...]
    critical_path_s: float
    usd: float

    @property
    def makespan_s(self) -> float:
        return max((s.end_s for s in self.steps), default=0.0)

    @property
    def work_s(self) -> float:
        """Sum of all step times: what one worker would take."""
        return sum(s.end_s - s.start_s for s in self.steps)

    @property
    def speed_up(self) -> float:
        """How many times faster than one worker, from the first start on."""
        together = self.makespan_s - min((s.start_s for s in self.steps), default=0.0)
        return self.work_s / together if together else 1.0


def schedule_plan(
    plan: Plan,
    profiles: Mapping[str, ModelProfile],
    target_of: Callable[[Step], str],
    workers: int,
    *,
    arrivals_s: Mapping[str, float] | None = None,
    background: Sequence[Background] = (),
) -> Schedule:
    """Predict a run.

    Args:
        plan: a valid plan.
        profiles: speed and price of each target.
        target_of: which target solves a step.
        workers: steps in flight at most.
        arrivals_s: when the planner has written each step; absent steps are there from the start.
        background: what else keeps the targets at work.
    """
    arrivals = arrivals_s or {}
    simulation = Simulation(
        plan,
        {s.id: _alone_s(plan, s, profiles, target_of) for s in plan.steps},
        lambda step: None if _needs_no_model(step) else target_of(step),
        workers,
        arrivals_s=arrivals,
        release_s={s.id: profiles[target_of(s)].handoff_s for s in plan.steps},
        stretch=lambda target, busy: _stretch(profiles[target], target, busy),
        background=background,
    )
    simulation.run()
    starts, ends = simulation.starts, simulation.ends
    path, length = critical_path(plan, {i: ends[i] - starts[i] for i in starts}, arrivals)
    scheduled = tuple(ScheduledStep(s, target_of(s), starts[s.id], ends[s.id]) for s in plan.steps)
    asked = [s for s in plan.steps if not _needs_no_model(s)]
    usd = sum(profiles[target_of(s)].usd_per_token * profiles[target_of(s)].tokens_of(s) for s in asked)
    return Schedule(scheduled, path, length, usd)


def _needs_no_model(step: Step) -> bool:
    """Whether the step only puts answers side by side."""
    return joined_results(step, dict.fromkeys(step.rely, "")) is not None


def _alone_s(plan: Plan, step: Step, profiles: Mapping[str, ModelProfile], target_of: Callable[[Step], str]) -> float:
    if _needs_no_model(step):
        return 0.0
    profile = profiles[target_of(step)]
    if not profile.s_per_prompt_token:
        return profile.duration_s(step)
    # Prompts differ by their tasks, about three characters a token, and by the answers that they quote.
    usual = [len(seen.task) for seen in profile.seen]
    longer = (len(step.task) - sum(usual) / len(usual)) / CHARACTERS_PER_TOKEN if usual else 0.0
    quoted = sum(profiles[target_of(plan.by_id[n])].tokens_of(plan.by_id[n]) for n in step.rely)
    return profile.duration_s(step, max(1.0, profile.prompt_tokens + longer + quoted))


def _stretch(profile: ModelProfile, target: str, busy: Counter[str]) -> float:
    others = sum(1 for name, count in busy.items() if name and name != target and count > 0)
    return profile.stretch(busy[target] - 1, others)


def critical_path(
    plan: Plan, durations: Mapping[str, float], arrivals_s: Mapping[str, float] | None = None
) -> tuple[tuple[str, ...], float]:
    """The chain of steps that no number of workers can shorten, and its length in seconds.

    A step cannot start before the planner has written it, so the chain may begin with waiting for one.
    """
    arrivals = arrivals_s or {}
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for step in _in_order(plan):
        latest = max(step.rely, key=lambda n: ends[n], default=None)
        start = arrivals.get(step.id, 0.0)
        if latest is not None and ends[latest] >= start:
            start, before[step.id] = ends[latest], latest
        else:
            before[step.id] = None
        ends[step.id] = start + durations[step.id]
    at: str | None = max(ends, key=lambda n: ends[n], default=None)
    path: list[str] = []
    while at is not None:
        path.append(at)
        at = before[at]
    return tuple(reversed(path)), max(ends.values(), default=0.0)


def _in_order(plan: Plan) -> list[Step]:
    """The steps, each after those it needs."""
    ready = ReadySet()
    for step in plan.steps:
        ready.add(step)
    ordered: list[Step] = []
    while step_now := ready.pop():
        ordered.append(step_now)
        ready.done(step_now.id)
    return ordered
