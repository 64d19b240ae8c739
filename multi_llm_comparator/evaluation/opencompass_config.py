"""What OpenCompass is told, as a configuration file of its own form, and what it writes in the end."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import DocumentError, InferenceError
from multi_llm_comparator.core.reading import read_bytes

Dataset = Literal["ceval", "mmlu", "gsm8k"]
# By data set: where OpenCompass declares it, and how many subjects it has. Answers are written in all of them, and the
# letter of a choice is looked for in them: those that compare probabilities need what no API gives. Named by their
# digest, which stays from version to version: what `mmlu_gen` stands for became one that thinks at length first.
_DECLARED: dict[str, tuple[str, int]] = {
    "ceval": ("opencompass.configs.datasets.ceval.ceval_gen_5f30c7", 52),
    "mmlu": ("opencompass.configs.datasets.mmlu.mmlu_gen_4d595a", 57),
    "gsm8k": ("opencompass.configs.datasets.gsm8k.gsm8k_gen", 1),
}
MAX_SUMMARY_BYTES, MAX_PREDICTIONS_BYTES = 4 * 2**20, 64 * 2**20
_NOT_MEASURED = "-"
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Place = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class OpenCompassOptions(ClosedModel):
    """What is measured, and with what.

    Attributes:
        model: a name of the API: a local model, an adapter on it, an endpoint, a group, a plan.
        base_url: the API, such as ``http://127.0.0.1:8000/v1``. It must ask for no key: a job's file is kept, and is no
            place for one.
        python: the interpreter of an environment in which OpenCompass is installed.
        datasets: which of its data sets.
        subjects: of those only these, by their names (``computer_network``, ``college_biology``).
        limit: items of each subject, the first ones; None: all.
        tokenizer: folder of a tokenizer (``tokenizer.json``), with which OpenCompass counts what fits into
            ``n_ctx``; without one it fetches OpenAI's.
        data: folder with its data sets as it keeps them (``data/ceval/formal_ceval``, ``data/mmlu``, ``data/gsm8k``);
            None: it fetches them.
        n_ctx: the context that the model is served with: a prompt that does not fit fails its whole subject.
        max_tokens: of each answer, where the data set does not say.
        at_once: requests at the same time.
    """

    model: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"']{1,2000}$")]
    python: Place
    datasets: tuple[Dataset, ...] = Field(default=("ceval", "mmlu"), min_length=1, max_length=3)
    subjects: tuple[Word, ...] = Field(default=(), max_length=200)
    limit: int | None = Field(default=None, ge=1, le=1_000_000)
    tokenizer: Place | None = None
    data: Place | None = None
    n_ctx: int = Field(default=2048, ge=64, le=1_000_000)
    max_tokens: int = Field(default=64, ge=1, le=100_000)
    at_once: int = Field(default=8, ge=1, le=256)

    @property
    def expected(self) -> int:
        """How many subjects are measured, as far as that is known before."""
        return len(self.subjects) or sum(_DECLARED[name][1] for name in self.datasets)


def configuration(wanted: OpenCompassOptions) -> str:
    """The text of the file. Whatever was given stands in it as a literal."""
    imports = "\n".join(f"    from {_DECLARED[name][0]} import {name}_datasets" for name in wanted.datasets)
    lists = " + ".join(f"{name}_datasets" for name in wanted.datasets)
    endings = tuple(f"{before}{name}" for name in wanted.subjects for before in ("-", "_", ""))
    chosen = f" and one['abbr'].endswith({endings!r})" if endings else ""
    limit = (
        f"for one in datasets:\n    one['reader_cfg']['test_range'] = '[0:{wanted.limit}]'\n" if wanted.limit else ""
    )
    return f"""from mmengine.config import read_base
from opencompass.models import OpenAISDK

with read_base():
{imports}

# Answers to C-Eval's test split are not published.
datasets = [one for one in {lists} if not one['abbr'].startswith('ceval-test-'){chosen}]
{limit}
models = [
    dict(
        abbr={abbr_of(wanted.model)!r},
        type=OpenAISDK,
        path={wanted.model!r},
        key='none',
        openai_api_base={wanted.base_url!r},
        tokenizer_path={wanted.tokenizer!r},
        meta_template=dict(
            round=[dict(role='HUMAN', api_role='HUMAN'), dict(role='BOT', api_role='BOT', generate=True)],
        ),
        query_per_second=1000,
        temperature=0,
        max_seq_len={wanted.n_ctx},
        max_out_len={wanted.max_tokens},
        batch_size={wanted.at_once},
        retry=2,
    )
]
"""


def abbr_of(model: str) -> str:
    """A model's name as a folder can have it."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", model)[:100]


def newest_summary(folder: Path) -> Path | None:
    """The newest ``summary_*.csv`` below a folder of results."""
    found = sorted(folder.glob("*/summary/summary_*.csv"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def read_summary(path: Path) -> dict[str, dict[str, float | None]]:
    """Scores by subject and metric, as OpenCompass writes them (0 to 100); None for what it could not measure.

    Raises:
        InferenceError: it is no such table.
    """
    if path.stat().st_size > MAX_SUMMARY_BYTES:
        raise InferenceError(f"{str(path)!r} is larger than a table of OpenCompass can be")
    found: dict[str, dict[str, float | None]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if (head := next(rows, []))[:4] != ["dataset", "version", "metric", "mode"] or len(head) != 5:
            raise InferenceError(f"{str(path)!r} is no table of OpenCompass: it begins with {head[:6]!r}")
        for row in rows:
            if len(row) != len(head):
                continue
            found.setdefault(row[0], {})[row[2]] = _score(row[4])
    return found


def items_of(folder: Path, names: Collection[str]) -> dict[str, int]:
    """How many items of each subject were answered, by the newest predictions below a folder of results. A subject of
    which that cannot be told is left out."""
    found = {}
    for path in sorted(folder.glob("*/predictions/*/*.json"), key=lambda path: path.stat().st_mtime):
        with contextlib.suppress(OSError, DocumentError):
            if path.stem in names:
                answers = read_json(read_bytes(path, MAX_PREDICTIONS_BYTES), repr(str(path)), MAX_PREDICTIONS_BYTES)
                found[path.stem] = len(answers) if isinstance(answers, dict | list) else 0
    return {name: count for name, count in found.items() if count}


def _score(text: str) -> float | None:
    try:
        return None if text == _NOT_MEASURED else float(text)
    except ValueError:
        return None
