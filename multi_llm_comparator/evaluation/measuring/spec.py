"""What an evaluation asks, of whom, and who judges: all that is needed to run it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.evaluation.prompt_sets import MAX_PROMPT_CHARS, PromptSet
from multi_llm_comparator.evaluation.tasks.base import TaskOptions

MAX_SUBJECTS, MAX_TASKS, MAX_REPEATS = 16, 20, 20
MAX_ITEMS, MAX_CELLS = 20_000, 200_000
MAX_TARGET_CHARS, MAX_RUBRIC_CHARS = 1024, 4000
MAX_ACTORS, MAX_SEED = 64, 2**31
# The letter of a subject: a judge and the keys of cells know it by nothing else.
SUBJECT_IDS = tuple("abcdefghijklmnop")
JudgeMode = Literal["reference", "rubric", "pairwise"]
JUDGE_MODES: tuple[JudgeMode, ...] = ("pairwise", "rubric", "reference")
USUAL_RUBRIC = "The answer is correct, does all that is asked, and is free of what was not asked for."

Target = Annotated[str, Field(min_length=1, max_length=MAX_TARGET_CHARS)]


class Subject(ClosedModel):
    """What is measured: any target of the gateway with parameters. Two may be one model asked otherwise."""

    id: Annotated[str, Field(pattern=r"^[a-p]$")]
    target: Target
    label: Annotated[str, Field(max_length=300)] = ""
    config: ModelConfig = Field(default_factory=lambda: ModelConfig(temperature=0.0))

    @property
    def name(self) -> str:
        return self.label or self.target


class Crossing(ClosedModel):
    """Which parameters each model was asked with: every preset with every temperature and every system prompt.

    A preset is ``base`` with what is saved under its name, an empty name ``base`` alone. Temperatures and system
    prompts stand in place of those of ``base`` and presets; where there are none, these stay.
    """

    base: ModelConfig
    presets: Annotated[tuple[str, ...], Field(max_length=MAX_SUBJECTS)] = ()
    temperatures: Annotated[tuple[float, ...], Field(max_length=MAX_SUBJECTS)] = ()
    systems: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_PROMPT_CHARS)], ...], Field(max_length=MAX_SUBJECTS)
    ] = ()

    @property
    def count(self) -> int:
        """How many sets of parameters these are."""
        return prod(max(1, len(axis)) for axis in (self.presets, self.temperatures, self.systems))


class TaskChoice(ClosedModel):
    """A published task: its name (``mmlu``), the folder that its data is in, or None for the Hub, and its options.
    Or questions of one's own: the path of their file as the name."""

    name: Annotated[str, Field(min_length=1, max_length=4096)]
    data: Annotated[str, Field(max_length=4096)] | None = None
    options: TaskOptions = TaskOptions()

    @property
    def label(self) -> str:
        """What people call it: of a file its name alone."""
        return PurePath(self.name).stem or self.name


class JudgeSpec(ClosedModel):
    """Who judges, and how: two answers against each other, by a rubric, or by what the row expects."""

    target: Target
    label: Annotated[str, Field(max_length=300)] = ""
    mode: JudgeMode = "pairwise"
    rubric: Annotated[str, Field(max_length=MAX_RUBRIC_CHARS)] = USUAL_RUBRIC
    config: ModelConfig = Field(default_factory=lambda: ModelConfig(temperature=0.0, max_tokens=512))

    @property
    def name(self) -> str:
        return self.label or self.target


class Cluster(ClosedModel):
    """A Ray cluster that local models are asked on: its address (``HOST:PORT``, or ``ray://HOST:PORT`` from outside),
    and on how many actors (None: one for each of its machines). The models' files lie there under the same paths."""

    address: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^(ray://)?[\w.\-\[\]:]+:\d{1,5}$")]
    actors: Annotated[int, Field(ge=1, le=MAX_ACTORS)] | None = None


class EvaluationSpec(ClosedModel):
    """One evaluation. ``prompts`` is a copy of the set as it was then. With ``repeats`` each prompt is asked so often,
    with seeds counted up from ``seed``. ``reference`` is the subject (its id) that the predictions of the others are
    compared with, token by token, on the prompts. ``crossing`` is where the subjects' parameters come from, if presets
    or system prompts were crossed: only to set up the same once more, for the subjects have all that is asked with.

    Raises:
        ValidationError: nothing to ask, nobody to be asked, or more than fits.
    """

    title: Annotated[str, Field(max_length=200)] = ""
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=MAX_SUBJECTS)]
    prompts: PromptSet | None = None
    tasks: Annotated[tuple[TaskChoice, ...], Field(max_length=MAX_TASKS)] = ()
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 1
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1
    judge: JudgeSpec | None = None
    reference: str | None = None
    cluster: Cluster | None = None
    crossing: Annotated[Crossing | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _is_whole(self) -> EvaluationSpec:
        if self.prompts is None and not self.tasks:
            raise ValueError("there is nothing to ask: choose a prompt set or a task")
        ids = [subject.id for subject in self.subjects]
        if len(set(ids)) != len(ids):
            raise ValueError(f"two subjects have one id in {ids!r}")
        if self.reference is not None:
            if self.reference not in ids:
                raise ValueError(f"the reference is {self.reference!r}, which is no subject; there are {ids!r}")
            if self.prompts is None:
                raise ValueError("predictions are compared on prompts of one's own: choose a prompt set")
        return self

    def subject(self, subject_id: str) -> Subject:
        return next(subject for subject in self.subjects if subject.id == subject_id)

    @property
    def pairs(self) -> tuple[tuple[Subject, Subject], ...]:
        """Each two subjects, the one that was chosen earlier first."""
        return tuple((one, other) for n, one in enumerate(self.subjects) for other in self.subjects[n + 1 :])


def names_in(text: str) -> list[str]:
    """The names in a text, which are parted by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def task_choices(
    names: Sequence[str], data: str | None, options: TaskOptions, subjects: Sequence[str] = ()
) -> list[TaskChoice]:
    """Tasks with one folder and one set of options. A subject is of all of them, or, as ``mmlu/anatomy``, of one.

    Raises:
        ConfigurationError: a subject is of a task that is not asked.
    """
    if strangers := [one for one in subjects if "/" in one and one.partition("/")[0] not in names]:
        raise ConfigurationError(
            f"the subject {strangers[0]!r} is of a task that is not asked; asked are {', '.join(map(repr, names))}"
        )
    found = []
    for name in names:
        own = tuple(one.removeprefix(f"{name}/") for one in subjects if "/" not in one or one.startswith(f"{name}/"))
        found.append(TaskChoice(name=name, data=data, options=replace(options, subjects=own)))
    return found


def subjects_of(tasks: Sequence[TaskChoice]) -> tuple[str, ...]:
    """The subjects that :func:`task_choices` makes these tasks of."""
    if len({task.options.subjects for task in tasks}) == 1:
        return tasks[0].options.subjects
    return tuple(f"{task.name}/{one}" for task in tasks for one in task.options.subjects if "/" not in task.name)


def checked_spec(**fields: object) -> EvaluationSpec:
    """Build what an evaluation asks.

    Raises:
        ConfigurationError: the first thing that is wrong with it.
        InvalidParameterError: a parameter of a subject or the judge is out of its range.
    """
    spec = checked(EvaluationSpec, fields)
    for config in (*(subject.config for subject in spec.subjects), *([spec.judge.config] if spec.judge else [])):
        config.validate()
    return spec
