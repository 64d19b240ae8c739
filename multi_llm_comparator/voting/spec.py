"""What a session of votes asks, and of whom: all that is needed to run it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import comb
from typing import Annotated, Any

from pydantic import Field, model_validator

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.plain_errors import checked

MAX_CONTESTANTS, MAX_SHOWN = 16, 4
MAX_PROMPTS, MAX_PROMPT_CHARS, MAX_ALL_CHARS = 10_000, 100_000, 8_000_000
MAX_TURNS = 100_000
MAX_PROMPT_IMAGES = 4
MAX_TARGET_CHARS, MAX_LABEL_CHARS, MAX_TITLE_CHARS = 1024, 300, 200
CONTESTANT_IDS = tuple("abcdefghijklmnop")
# What changes nothing in what is written, or is drawn for each answer.
_NOT_OF_THE_TEXT = frozenset(
    {"seed", "n_threads", "low_cpu_mem_usage", "use_gpu", "pad_token_id", "reproducible", "top_logprobs"}
)

RowId = Annotated[str, Field(min_length=1, max_length=64)]
ContestantId = Annotated[str, Field(pattern=r"^[a-p]$")]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Contestant(ClosedModel):
    """Who answers: any target of the gateway, with parameters. Two may be one model that is asked otherwise."""

    id: ContestantId
    target: Annotated[str, Field(min_length=1, max_length=MAX_TARGET_CHARS)]
    label: Annotated[str, Field(max_length=MAX_LABEL_CHARS)] = ""
    config: ModelConfig = Field(default_factory=ModelConfig)

    @property
    def name(self) -> str:
        return self.label or self.target


class VotePrompt(ClosedModel):
    """What is asked. ``id`` is that of the row in its prompt set, ``images`` are digests of those before the text."""

    id: RowId
    text: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARS)]
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    images: Annotated[tuple[Digest, ...], Field(max_length=MAX_PROMPT_IMAGES)] = ()


class VotingSpec(ClosedModel):
    """A session. ``source`` is the name of the prompt set and ``digest`` its content's hash; both are empty for prompts
    of one's own.
    ``shown`` answers stand side by side, of as many different contestants. ``seed`` draws who meets whom, and where
    each stands; it is not told before the votes are. ``given`` are answers that are there already, by prompt and
    contestant: nobody is asked then.

    Raises:
        ValidationError: nobody to choose between, nothing to ask, or more than fits.
    """

    title: Annotated[str, Field(max_length=MAX_TITLE_CHARS)] = ""
    contestants: Annotated[tuple[Contestant, ...], Field(min_length=2, max_length=MAX_CONTESTANTS)]
    prompts: Annotated[tuple[VotePrompt, ...], Field(min_length=1, max_length=MAX_PROMPTS)]
    system: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)] = ""
    source: Annotated[str, Field(max_length=MAX_TITLE_CHARS)] = ""
    digest: Annotated[str, Field(max_length=64)] = ""
    shown: Annotated[int, Field(ge=2, le=MAX_SHOWN)] = 2
    is_shuffled: bool = True
    seed: Annotated[int, Field(ge=0, le=2**63)] = 0
    given: Annotated[dict[RowId, dict[ContestantId, str]], Field(max_length=MAX_PROMPTS)] = Field(default={})

    @model_validator(mode="after")
    def _is_whole(self) -> VotingSpec:
        ids = [one.id for one in self.contestants]
        if len(set(ids)) != len(ids):
            raise ValueError(f"two contestants have one id in {ids!r}")
        if self.shown > len(ids):
            raise ValueError(f"{self.shown} answers cannot be shown of {len(ids)} contestants")
        asked = [(one.target, parameters_key(one.config)) for one in self.contestants]
        if len(set(asked)) != len(asked):
            raise ValueError("the same model with the same parameters is chosen twice; change one of them")
        rows = [prompt.id for prompt in self.prompts]
        if len(set(rows)) != len(rows):
            raise ValueError("two prompts have one id")
        texts = [text for answers in self.given.values() for text in answers.values()]
        if (size := sum(map(len, texts)) + sum(len(prompt.text) for prompt in self.prompts)) > MAX_ALL_CHARS:
            raise ValueError(f"prompts and given answers have {size} characters together; at most {MAX_ALL_CHARS} fit")
        if self.given and any(set(self.given.get(row, {})) != set(ids) for row in rows):
            raise ValueError("a prompt has not a given answer of each contestant; leave it out")
        return self

    def contestant(self, contestant_id: str) -> Contestant:
        return next(one for one in self.contestants if one.id == contestant_id)

    @property
    def turns(self) -> int:
        """How many votes there are: each prompt for each two (or four) contestants once."""
        return min(MAX_TURNS, len(self.prompts) * comb(len(self.contestants), self.shown))

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted({tag for prompt in self.prompts for tag in prompt.tags}))

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of all images, each once."""
        return tuple(dict.fromkeys(digest for prompt in self.prompts for digest in prompt.images))


def text_parameters(config: ModelConfig) -> Mapping[str, Any]:
    """The parameters that make a model write otherwise: without seeds and threads, with how it is loaded."""
    return {name: value for name, value in config.to_dict().items() if name not in _NOT_OF_THE_TEXT}


def parameters_key(config: ModelConfig) -> str:
    """The same for parameters that ask for the same."""
    told = json.dumps(text_parameters(config), sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def differing_parameters(configs: list[ModelConfig]) -> tuple[str, ...]:
    """The names of the parameters in which some differ."""
    told = [text_parameters(config) for config in configs]
    names = dict.fromkeys(name for one in told for name in one)
    return tuple(name for name in names if len({json.dumps(one.get(name), default=str) for one in told}) > 1)


def checked_spec(**fields: object) -> VotingSpec:
    """Build what a session asks.

    Raises:
        ConfigurationError: the first thing that is wrong with it.
        InvalidParameterError: a parameter of a contestant is out of its range.
    """
    spec = checked(VotingSpec, fields)
    for one in spec.contestants:
        one.config.validate()
    return spec
