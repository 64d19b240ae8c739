"""Plan configurations under a name: ``plans/NAME.yaml`` beside the task groups, in the form of ``config.yaml``.

They are asked as the model ``plan:NAME``, so every name in them is a target that the gateway knows by itself: a local
model, a declared one, a group. Endpoints belong into the task groups' file.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.exceptions import ConfigurationError, ModelNotFoundError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.plans.config import ApiSection, load_config
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.options import PlanOptions

PREFIX = "plan:"
MAX_PLANS = 200
_NAME = re.compile(r"\w[\w.-]{0,59}")


class SavedPlans:
    """The files of one folder; each call reads them, so that all processes see the same.

    Args:
        folder: ``plans`` in the folder of configurations by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or get_settings().configs_dir / "plans"

    def names(self) -> list[str]:
        """What there is, by name; at most MAX_PLANS."""
        found = (path.stem for path in sorted(self._folder.glob("*.yaml")) if path.is_file())
        return [name for name in found if _NAME.fullmatch(name)][:MAX_PLANS]

    def load(self, name: str) -> PlanOptions:
        """How questions to ``plan:NAME`` are answered.

        Raises:
            ModelNotFoundError: there is no such plan.
            ConfigurationError: its file is wrong: file, place in it, what is wrong and what is allowed.
        """
        path = self._folder / f"{name}.yaml"
        if not _NAME.fullmatch(name) or not path.is_file():
            known = self.names()
            raise ModelNotFoundError(
                f"no plan is called {name[:80]!r}{did_you_mean(name, known)}; plans are files in {str(self._folder)!r}"
            )
        config = load_config(path)
        if config.api != ApiSection() or config.models.use_local_router:
            raise ConfigurationError(
                f"{str(path)!r}: endpoints of a saved plan are declared in the task groups' file, not under 'api'"
            )
        models, system = config.models, config.system
        return PlanOptions(
            executor=ExecutorOptions(
                small_model=models.small_model,
                large_model=models.large_model,
                threshold=models.threshold,
                enable_threshold=models.enable_threshold,
                workers=system.workers,
                result_after=system.result_after,
            ),
            router_model=models.router_model,
            planner_prompt=models.planner_prompt,
            planner_grammar=models.planner_grammar,
            planner_thinks=models.planner_thinks,
            aggregation=system.aggregation,
        )

    def save(self, name: str, options: PlanOptions) -> Path:
        """Keep a configuration under a name; one of that name is replaced. Gives its file.

        Raises:
            NotAllowedError: the caller is no admin.
            ConfigurationError: a name that no file could have, no planner, or MAX_PLANS plans already.
        """
        refuse_workspaces("save plans for everybody")
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"a plan's name is 1 to 60 letters, digits, '_', '-' or '.', not {name[:80]!r}")
        if not options.router_model:
            raise ConfigurationError("a plan that is written by hand cannot be asked by name: choose a planner first")
        if name not in (known := self.names()) and len(known) >= MAX_PLANS:
            raise ConfigurationError(f"there are {MAX_PLANS} plans, and no more are kept; delete some of their files")
        executor = options.executor
        data = {
            "models": {
                "small_model": executor.small_model,
                "large_model": executor.large_model,
                "router_model": options.router_model,
                "threshold": executor.threshold,
                "enable_threshold": executor.enable_threshold,
                "planner_prompt": options.planner_prompt,
                "planner_grammar": options.planner_grammar,
                "planner_thinks": options.planner_thinks,
            },
            "system": {
                "workers": executor.workers,
                "aggregation": options.aggregation,
                "result_after": executor.result_after,
            },
        }
        path = self._folder / f"{name}.yaml"
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
        return path
