"""The attacks, run in a thread of the app's own process, as its pages run there: whatever holds the interpreter holds
`/health` too. What an attack meets is a result or one of our errors; everything else is a finding.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from multi_llm_comparator.comparison.importing import import_run
from multi_llm_comparator.comparison.presets import Presets
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.ui.kit.escaping import inert, plain
from multi_llm_comparator.ui.kit.html_pieces import facts, problem
from multi_llm_comparator.ui.kit.markdown import split_thinking, to_markdown
from multi_llm_comparator.workbench import Workbench
from tests.attack.mutations import hostile_text, mutated_bytes, mutated_json
from tests.attack.outcome import Outcome
from tests.attack.readers import open_bundles, read_documents, read_prompt_sets, read_texts

SCANNED_AT_ONCE = 50
LOAD_S = 60.0


def run_attacks(workbench: Workbench, folder: Path, seed: int, share: float) -> Iterator[Outcome]:
    """All attacks, one after another; ``share`` of their full number each. ``folder`` holds what they start from."""
    rng = random.Random(seed)
    models = workbench.models.models_dir
    scanned = Outcome("model files scanned", round(2000 * share))
    kept = _scan(workbench, rng, folder / "models", models / "attack", scanned)
    yield scanned
    yield _load(workbench, kept, Outcome("of these loaded in model processes", round(200 * share)))
    shutil.rmtree(models / "attack")
    yield _import(rng, folder / "run.json", Outcome("runs imported", round(2500 * share)))
    yield _presets(rng, folder / "presets.json", Outcome("presets imported", round(3000 * share)))
    yield _plans(rng, (folder / "plan.xml").read_text(encoding="utf-8"), Outcome("plans read", round(6000 * share)))
    yield open_bundles(rng, folder / "bundle.zip", Outcome("bundles opened", round(1000 * share)))
    yield read_prompt_sets(rng, folder / "prompts", Outcome("prompt sets imported", round(2000 * share)))
    yield read_documents(
        workbench, rng, folder / "documents", Outcome("documents given to services", round(200 * share))
    )
    yield read_texts(rng, Outcome("texts through what reads them", round(1000 * share)))
    yield _draw(rng, Outcome("texts through what draws them", round(10_000 * share)))


def _scan(workbench: Workbench, rng: random.Random, seeds: Path, into: Path, outcome: Outcome) -> list[ModelInfo]:
    """Scan copies of models, each with one damaged file; returns those that look as if they could be loaded."""
    originals = sorted(seeds.iterdir())
    kept: list[ModelInfo] = []
    for start in range(0, outcome.count, SCANNED_AT_ONCE):
        batch = into / str(start)
        for number in range(start, min(start + SCANNED_AT_ONCE, outcome.count)):
            original = rng.choice(originals)
            kind = "gguf" if original.suffix == ".gguf" else "pytorch"
            _damage(rng, original, batch / kind / str(number))
        found: list[ModelInfo] = []
        outcome.attempt(lambda batch=batch, found=found: found.extend(workbench.models.scan_models(batch)))  # type: ignore[misc]
        outcome.refused += sum(not model.is_loadable for model in found)
        kept += [model for model in found if model.is_loadable]
    return kept


def _damage(rng: random.Random, original: Path, copy: Path) -> None:
    if original.is_file():
        copy.mkdir(parents=True)
        (copy / original.name).write_bytes(mutated_bytes(rng, original.read_bytes()))
        return
    shutil.copytree(original, copy)
    victim = rng.choice(sorted(path for path in copy.iterdir() if path.is_file()))
    data = victim.read_bytes()
    if victim.suffix == ".json" and rng.random() < 0.7:
        victim.write_bytes(mutated_json(rng, json.loads(data)))
    else:
        victim.write_bytes(mutated_bytes(rng, data))


def _load(workbench: Workbench, models: list[ModelInfo], outcome: Outcome) -> Outcome:
    outcome.count = min(outcome.count, len(models))
    workbench.models.available_models = models
    for model in models[: outcome.count]:
        outcome.attempt(lambda model=model: workbench.bridge.run(workbench.engine.load(model.id), LOAD_S))  # type: ignore[misc]
        outcome.attempt(lambda model=model: workbench.bridge.run(workbench.engine.unload(model.id), LOAD_S))  # type: ignore[misc]
    return outcome


def _import(rng: random.Random, seed: Path, outcome: Outcome) -> Outcome:
    good = json.loads(seed.read_text(encoding="utf-8"))
    for _ in range(outcome.count):
        data = mutated_json(rng, good)
        outcome.attempt(lambda data=data: import_run(data))  # type: ignore[misc]
    return outcome


def _presets(rng: random.Random, seed: Path, outcome: Outcome) -> Outcome:
    good = json.loads(seed.read_text(encoding="utf-8"))
    for _ in range(outcome.count):
        data = mutated_json(rng, good)
        outcome.attempt(lambda data=data: Presets().import_(data))  # type: ignore[misc]
    return outcome


def _plans(rng: random.Random, good: str, outcome: Outcome) -> Outcome:
    for _ in range(outcome.count):
        text = hostile_text(rng, (good,))
        outcome.attempt(lambda text=text: parse_plan(text))  # type: ignore[misc]
    return outcome


def _draw(rng: random.Random, outcome: Outcome) -> Outcome:
    for _ in range(outcome.count):
        text = hostile_text(rng)
        outcome.attempt(lambda text=text: _drawn(text))  # type: ignore[misc]
    return outcome


def _drawn(text: str) -> None:
    """Through every function that makes of others' text what a browser gets."""
    for is_open in (False, True):
        for segment in split_thinking(text):
            to_markdown(segment.text, is_open=is_open)
    inert(text)
    plain(text)
    facts([(text[:200], text)])
    problem(text[:200], text)
