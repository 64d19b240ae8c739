"""What a plan should take: the schedule that a number of workers allows, from how fast its models are.

List scheduling with the executor's own rule (of the ready steps, the one with the longest chain behind it first), so
that prediction and execution differ only by what the models do. Graham (1969) bounds such schedules: at most
2 - 1/workers times the optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from multi_llm_comparator.plans.answer_lengths import SeenAnswer, expected_tokens, whole_tasks
from multi_llm_comparator.plans.company import Busy, Company, Phase, Slowdown
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.planning_pace import PlanningPace
from multi_llm_comparator.plans.prompt_lengths import PromptLengths
from multi_llm_comparator.plans.prompts import joined_results
from multi_llm_comparator.plans.ready_set import ReadySet
from multi_llm_comparator.plans.simulation import Background, Simulation, Work


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How fast and how dear a model is: seconds to the first token, tokens per second after it, dollars per token.

    These are for a model that has the machine to itself, must read ``read_tokens`` of a prompt, and has on average
    ``usual_context`` tokens of prompt and answer before each that it writes. Each more to read takes
    ``s_per_read_token``, each more before one that is written ``s_per_token_before``, for models look back at all of
    them; ``read`` and ``prompts`` tell how many there are. ``overhead_s`` is what a step takes besides its model,
    ``handoff_s`` what it takes from its end to the start of those that need it.
    ``reading`` and ``writing`` tell how company slows a step down before its first token and after.
    ``seen`` are earlier answers, the latest last. ``planning`` tells how fast it writes plans, if it ever wrote one.
    ``answers`` says how many all this is from. ``answer_s`` is what it takes to put the answers of steps together,
    if it ever did.
    """

    ttft_s: float
    tokens_per_second: float
    usd_per_token: float = 0.0
    tokens_per_answer: float | None = None
    overhead_s: float = 0.0
    handoff_s: float = 0.0
    read_tokens: float = 0.0
    s_per_read_token: float = 0.0
    read: PromptLengths = field(default_factory=PromptLengths)
    prompts: PromptLengths = field(default_factory=lambda: PromptLengths("prompt_tokens"))
    usual_context: float = 0.0
    s_per_token_before: float = 0.0
    reading: Slowdown = field(default_factory=Slowdown)
    writing: Slowdown = field(default_factory=Slowdown)
    seen: tuple[SeenAnswer, ...] = ()
    planning: PlanningPace | None = None
    answers: int = 0
    answer_s: float | None = None
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

    def work(self, tokens: float, read_tokens: float | None = None, prompt_tokens: float | None = None) -> Work:
        """Expected seconds for one step alone: until its first token, and for the others.

        Args:
            tokens: length of its answer.
            read_tokens: those of its prompt that must be read; None: as usual.
            prompt_tokens: length of its prompt; None: as usual.
        """
        longer = 0.0 if read_tokens is None else read_tokens - self.read_tokens
        before = 0.0 if prompt_tokens is None else prompt_tokens + tokens / 2 - self.usual_context
        each_s = 1 / self.tokens_per_second + before * self.s_per_token_before
        reading_s = self.ttft_s + longer * self.s_per_read_token
        return Work(max(0.0, reading_s), self.overhead_s + max(0.0, tokens - 1) * max(0.0, each_s))

    def work_of(self, step: Step, whole: str, tokens: float, quoted_tokens: float) -> Work:
        """The same for a step of a plan.

        Args:
            step: what is to be solved.
            whole: its task as :func:`plans.answer_lengths.whole_tasks` gives it.
            tokens: length of its answer.
            quoted_tokens: length of the answers that it needs.
        """
        prompt = step, whole, quoted_tokens
        read_tokens = self.read.expected(self.seen, *prompt) if self.s_per_read_token else None
        prompt_tokens = self.prompts.expected(self.seen, *prompt) if self.s_per_token_before else None
        return self.work(tokens, read_tokens, prompt_tokens)

    def stretch(self, target: str, phase: Phase, busy: Busy) -> float:
        """How many times as long a phase of a step of this target takes beside all that is at work."""
        return (self.writing if phase == "writing" else self.reading).stretch(Company.of(target, phase, busy))


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """When a step should run, in seconds from the start of the schedule, and with which model.

    ``first_s`` is when its first token should come.
    """

    step: Step
    target: str
    start_s: float
    first_s: float
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

    def work_of(step: Step) -> Work:
        quoted = sum(tokens.get(n, 0.0) for n in step.rely)
        return profiles[target_of(step)].work_of(step, whole[step.id], tokens[step.id], quoted)

    simulation = Simulation(
        plan,
        {s.id: work_of(s) if s.id in tokens else Work() for s in plan.steps},
        lambda step: None if _needs_no_model(step) else target_of(step),
        workers,
        arrivals_s=arrivals,
        release_s={s.id: profiles[target_of(s)].handoff_s for s in plan.steps},
        stretch=lambda target, phase, busy: profiles[target].stretch(target, phase, busy),
        background=background,
    )
    simulation.run()
    starts, firsts, ends = simulation.starts, simulation.firsts, simulation.ends
    path, length = critical_path(plan, {i: ends[i] - starts[i] for i in starts}, arrivals)
    scheduled = tuple(ScheduledStep(s, target_of(s), starts[s.id], firsts[s.id], ends[s.id]) for s in plan.steps)
    usd = sum(profiles[target_of(s)].usd_per_token * tokens[s.id] for s in asked)
    return Schedule(scheduled, path, length, usd)


def _needs_no_model(step: Step) -> bool:
    """Whether the step only puts answers side by side."""
    return joined_results(step, dict.fromkeys(step.rely, "")) is not None


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
