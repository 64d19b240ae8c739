"""What a layer of a model costs on this machine, measured by a short step and kept."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.services.devices import gpus
from multi_llm_comparator.training.base_model import computes_in
from multi_llm_comparator.training.model_facts import ModelFacts
from multi_llm_comparator.training.tuning_options import TuningOptions

COSTS_FILE = "tuning_costs.json"
MAX_BYTES, MAX_KEPT = 2**20, 200
MEASURED_TOKENS = 1024
TIMEOUT_S = 300.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one model, in one precision, with the threads of this process.

    ``layer_s`` and ``head_s`` are seconds per token of one layer, and per learnt token of the last one, forwards and
    backwards; ``pass_layer_s`` is what a layer takes for each pass besides, however few tokens it has, and
    ``step_layer_s`` for each step of the optimizer. ``answer_layer_s`` and ``answer_s`` are for each token of the
    answers that are written at an evaluation, several at a time: of one layer, and of the rest. ``kept_bytes`` is what
    a layer keeps of one token for the backward pass. Before any of that a process takes ``start_s`` and
    ``process_bytes``.
    """

    layer_s: float
    pass_layer_s: float
    head_s: float
    step_layer_s: float
    answer_layer_s: float
    answer_s: float
    kept_bytes: int
    start_s: float
    process_bytes: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measured_costs(model_path: Path, options: TuningOptions, facts: ModelFacts, home: Path) -> Costs | None:
    """What a layer costs, measured in a process of its own the first time, and from ``home`` afterwards.

    None if it cannot be measured in time; then assumptions have to do. It takes twenty seconds, and cores: not while
    models are being compared.
    """
    precision = computes_in(options, stored=facts.dtype)
    tokens = min(MEASURED_TOKENS, options.pack_tokens)
    sizes = (facts.width, facts.feed_forward, facts.vocabulary, facts.linear_parameters // facts.layers)
    machine = [available_cpus(), platform.processor(), *(gpu.total_bytes for gpu in gpus())]
    key = json.dumps([*sizes, precision, tokens, options.rank, *machine])
    kept = _kept(home / COSTS_FILE)
    if key in kept:
        return kept[key]
    words = [str(model_path), precision, str(tokens), str(options.rank)]
    command = [sys.executable, "-m", "multi_llm_comparator.training.cost_process", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True, env=child_environment()
        )
        found = Costs(**json.loads(done.stdout.strip().splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, IndexError) as exc:
        log.warning("the costs of %s could not be measured: %s", model_path, exc)
        return None
    newest = dict(list({**kept, key: found}.items())[-MAX_KEPT:])
    write_atomically(home / COSTS_FILE, json.dumps({name: costs.to_dict() for name, costs in newest.items()}))
    return found


def _kept(path: Path) -> dict[str, Costs]:
    try:
        return {str(name): Costs(**values) for name, values in load_json(path, MAX_BYTES).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
