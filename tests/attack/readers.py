"""Attacks on what is read: documents, bundles, prompt sets, and texts by everything that makes something of them."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path

from multi_llm_comparator.applications.analysis.prompts import objects_in
from multi_llm_comparator.applications.decision.parse import problem_in
from multi_llm_comparator.applications.numbers import Allowed, checked_numbers
from multi_llm_comparator.applications.saying import finished
from multi_llm_comparator.applications.spec import SERVICES, spec_of
from multi_llm_comparator.comparison.importing import import_run
from multi_llm_comparator.cooperation.grouping import read_groups
from multi_llm_comparator.cooperation.modes.council import read_ranking
from multi_llm_comparator.cooperation.normalising import ballot_of
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.signed_tokens import read_token
from multi_llm_comparator.evaluation.comparing import compare
from multi_llm_comparator.evaluation.prompt_set_files import read_prompt_set
from multi_llm_comparator.routing import analyse, default_rules
from multi_llm_comparator.sharing.bundle import read_bundle
from multi_llm_comparator.voting.ranking import style_of
from multi_llm_comparator.workbench import Workbench
from tests.attack.mutations import hostile_text, mutated_archive, mutated_bytes, mutated_json
from tests.attack.outcome import Outcome

READ_S = 300.0
# What a run says that ended by a mistake of the workbench.
MISTAKE = "something went wrong in the workbench"
# Of a text: answers and documents have bounds of their own, larger ones; this many are read in each way.
MAX_READ_CHARS = 100_000


def read_documents(workbench: Workbench, rng: random.Random, seeds: Path, outcome: Outcome) -> Outcome:
    """Give damaged documents to services that ask no model: each is read in a process of its own."""
    originals = sorted(seeds.iterdir())
    for _ in range(outcome.count):
        original, service = rng.choice(originals), rng.choice(SERVICES)
        data = original.read_bytes()
        changed = mutated_archive if data.startswith(b"PK") and rng.random() < 0.7 else mutated_bytes
        outcome.attempt(partial(_served, workbench, service, original.name, changed(rng, data)))
    return outcome


def _served(workbench: Workbench, service: str, name: str, data: bytes) -> None:
    spec = spec_of(service, {"name": name}, target="")
    run = workbench.bridge.run(workbench.applications.start(spec, data), READ_S)
    assert workbench.bridge.run(workbench.runs.wait(run.id, timeout_s=READ_S)), f"{name} is read without end"
    if run.error is not None and MISTAKE in run.error:
        raise AssertionError(f"{name}: {run.error}")
    if run.error is not None:
        raise DocumentError(run.error)


def _opened(data: bytes) -> None:
    import_run(read_bundle(data)[1])


def open_bundles(rng: random.Random, seed: Path, outcome: Outcome) -> Outcome:
    good = seed.read_bytes()
    for _ in range(outcome.count):
        data = (mutated_archive if rng.random() < 0.6 else mutated_bytes)(rng, good)
        outcome.attempt(partial(_opened, data))
    return outcome


def read_prompt_sets(rng: random.Random, seeds: Path, outcome: Outcome) -> Outcome:
    originals = sorted(seeds.iterdir())
    for _ in range(outcome.count):
        original = rng.choice(originals)
        data = original.read_bytes()
        is_json = original.suffix == ".json" and rng.random() < 0.7
        data = mutated_json(rng, json.loads(data)) if is_json else mutated_bytes(rng, data)
        outcome.attempt(partial(read_prompt_set, data, original.name))
    return outcome


def read_texts(rng: random.Random, outcome: Outcome) -> Outcome:
    for _ in range(outcome.count):
        outcome.attempt(partial(_read, hostile_text(rng)[:MAX_READ_CHARS]))
    return outcome


def _read(text: str) -> None:
    """Through everything that makes something else of a question, an answer or a document than what is drawn."""
    analyse(text, default_rules())
    problem_in(text, "en")
    checked_numbers(finished(text), Allowed().add_text(text))
    list(objects_in(text, "claims"))
    style_of(text)
    ballot_of(text, kind="number")
    ballot_of("B", text)
    read_groups(text, "AB")
    read_ranking(text, "AB")
    for how in ("exact", "numeric", "contains", "choice", "json_schema"):
        compare(how, '{"type": "object"}' if how == "json_schema" else "17", text)
    read_token("s" * 40, text)
