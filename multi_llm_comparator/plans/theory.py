"""What a plan should take: the schedule that a number of workers allows, from how fast its models are.

List scheduling with the executor's own rule (of the ready steps, the one with the longest chain behind it first), so
that prediction and execution differ only by what the models do. Graham (1969) bounds such schedules: at most
2 - 1/workers times the optimum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from multi_llm_comparator.plans.answer_lengths import SeenAnswer, expected_tokens, whole_tasks
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.planning_pace import PlanningPace
from multi_llm_comparator.plans.prompt_lengths import PromptLengths
from multi_llm_comparator.plans.prompts import joined_results
from multi_llm_comparator.plans.ready import ReadySet
from multi_llm_comparator.plans.simulation import Background, Simulation


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How fast and how dear a model is: seconds to the first token, tokens per second after it, dollars per token.

    These are for a model that has the machine to itself and must read ``read_tokens`` of a prompt, as ``prompts``
    tells; each more takes ``s_per_read_token``. ``overhead_s`` is what a step takes besides its model, ``handoff_s``
    what it takes from its end to the start of those that need it. Each other step on the same model makes a step take
    ``beside_same`` of its time longer, each other model at work ``beside_other``.
    ``seen`` are earlier answers, the latest last. ``planning`` tells how fast it writes plans, if it ever wrote one.
    ``of_same_run`` says that these come from the run which they are to predict.
    """

    ttft_s: float
    tokens_per_second: float
    usd_per_token: float = 0.0
    tokens_per_answer: float | None = None
    overhead_s: float = 0.0
    handoff_s: float = 0.0
    read_tokens: float = 0.0
    s_per_read_token: float = 0.0
    prompts: PromptLengths = field(default_factory=PromptLengths)
    beside_same: float = 0.0
    beside_other: float = 0.0
    seen: tuple[SeenAnswer, ...] = ()
    planning: PlanningPace | None = None
    of_same_run: bool = False
    # Looking through what was seen is most of the work of a prediction, and a chart that is watched makes many.
    _known: dict[tuple[Step, str], float] = field(init=False, repr=False, compare=False, default_factory=dict)

    def tokens_of(self, step: Step, whole: str | None = None) -> float:
        """Expected tokens, within the step's budget: by earlier answers, else as answers of this model are as a rule.

        Args:
            step: what is to be solved.
            whole: its task as :func:`plans.answer_lengths.whole_tasks` gives it; None for a step that needs no other.
        """
        key = (step, step.task if whole is None else whole)
        if key not in self._known:
            tokens = expected_tokens(self.seen, *key)
            usual = step.token if self.tokens_per_answer is None else min(float(step.token), self.tokens_per_answer)
            self._known[key] = usual if tokens is None else tokens
        return self._known[key]

    def duration_s(self, tokens: float, read_tokens: float | None = None) -> float:
        """Expected seconds for one step alone: the first token, then the others.

        Args:
            tokens: length of its answer.
            read_tokens: those of its prompt that must be read; None: as usual.
        """
        longer = 0.0 if read_tokens is None else read_tokens - self.read_tokens
        decoding_s = max(0.0, tokens - 1) / self.tokens_per_second
        return max(0.0, self.overhead_s + self.ttft_s + longer * self.s_per_read_token + decoding_s)

    def stretch(self, same: int, others: int) -> float:
        """How many times as long a step takes beside ``same`` others on this model, and with ``others`` more models."""
        return 1.0 + self.beside_same * same + self.beside_other * others


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
    asked = [s for s in plan.steps if not _needs_no_model(s)]
    whole = whole_tasks(plan.steps)
    tokens = {s.id: profiles[target_of(s)].tokens_of(s, whole[s.id]) for s in asked}
    simulation = Simulation(
        plan,
        {s.id: _alone_s(s, whole[s.id], profiles[target_of(s)], tokens) if s.id in tokens else 0.0 for s in plan.steps},
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
    usd = sum(profiles[target_of(s)].usd_per_token * tokens[s.id] for s in asked)
    return Schedule(scheduled, path, length, usd)


def _needs_no_model(step: Step) -> bool:
    """Whether the step only puts answers side by side."""
    return joined_results(step, dict.fromkeys(step.rely, "")) is not None


def _alone_s(step: Step, whole: str, profile: ModelProfile, tokens: Mapping[str, float]) -> float:
    if not profile.s_per_read_token:
        return profile.duration_s(tokens[step.id])
    quoted = sum(tokens.get(n, 0.0) for n in step.rely)
    return profile.duration_s(tokens[step.id], profile.prompts.expected(profile.seen, step, whole, quoted))


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
