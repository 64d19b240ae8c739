"""A tuning as a job of the queue: where it runs, and what it asks of the machine for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from multi_llm_comparator.jobs.spec import JobSpec, make_spec
from multi_llm_comparator.services.memory_watch import work_limit_bytes
from multi_llm_comparator.training.base_model import computes_on_gpu
from multi_llm_comparator.training.data.data_process import DataProcess
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.estimate import USABLE, Estimate, estimate
from multi_llm_comparator.training.model_facts import model_facts
from multi_llm_comparator.training.tuning_options import TuningOptions

KIND = "tuning"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A Ray cluster: the ``address`` of its dashboard, and how many GPUs (0 or 1) the tuning is given there."""

    address: str
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class AskedJob:
    """A tuning that a command was asked to put into the queue. ``as_json``: what comes of it is told as JSON."""

    options: TuningOptions
    elsewhere: Elsewhere | None
    as_json: bool


def tuning_spec(
    title: str, options: TuningOptions, expected: Estimate | None, elsewhere: Elsewhere | None = None
) -> JobSpec:
    """The job as the queue wants it.

    Args:
        expected: what it needs of memory; None: nobody knows, and it begins as soon as cores are free.
        elsewhere: None: on this machine, with its GPU where torch computes on one.

    Raises:
        ConfigurationError: it cannot be a job.
    """
    memory_bytes = 0 if expected is None else _free_bytes(expected.ram_bytes)
    gpus = int(computes_on_gpu()) if elsewhere is None else elsewhere.gpus
    job = {"kind": KIND, "title": title, "options": options.to_dict()}
    place = {} if elsewhere is None else {"backend": "ray", "address": elsewhere.address}
    needs = {"memory_bytes": memory_bytes, "gpus": gpus}
    if expected is not None and expected.on_gpu and elsewhere is None:
        needs["gpu_memory_bytes"] = int(expected.peak_bytes / USABLE) + 1
    return make_spec({**job, **place, "needs": needs})


def _free_bytes(needed: int) -> int:
    """How much has to be free for a tuning that plans with a part of that; never more than there can be."""
    return max(needed, min(int(needed / USABLE) + 1, work_limit_bytes()))


async def expected_of(options: TuningOptions, data: DataProcess) -> Estimate:
    """Read the data and estimate the tuning, in a process of its own.

    Raises:
        DocumentError, DownloadError: the data cannot be read, or nothing of it can be learnt.
        ModelLoadError: the model does not say how large it is, or its tokenizer cannot be read.
    """
    facts = model_facts(Path(options.model_path))
    limit = min(options.max_tokens, facts.context or options.max_tokens)
    with TemporaryDirectory() as folder:
        report = await data.clean(options.data, Path(folder), model_path=options.model_path, max_tokens=limit)
    return estimate(options, DataStatistics.from_dict(report["statistics"]), facts)
