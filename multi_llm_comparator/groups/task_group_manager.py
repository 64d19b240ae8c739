"""The configuration as everybody reads it: one immutable snapshot, replaced whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watchfiles import awatch

from multi_llm_comparator.core.exceptions import ConfigurationError, ModelNotFoundError
from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.groups.config_loader import (
    TASK_GROUPS_FILE,
    ConfigLoader,
    SupportsLoad,
    parse_config,
)
from multi_llm_comparator.groups.targets import Route, Targets

logger = logging.getLogger(__name__)

Listener = Callable[[GroupsConfig], None]
Change = Callable[[GroupsConfig], GroupsConfig]
Stamp = tuple[int, int, int]

LOOK_INTERVAL_S = 1.0


class TaskGroupManager:
    """Loads, checks and reloads the task groups, and resolves references to them.

    Args:
        config_loader: what reads the file; a path to a folder stands for a :class:`ConfigLoader` of it, nothing for
            one of the settings' folder.
        name: the file, relative to the loader's root.
    """

    def __init__(self, config_loader: SupportsLoad | str | Path | None = None, *, name: str = TASK_GROUPS_FILE) -> None:
        if config_loader is None or isinstance(config_loader, str | Path):
            config_loader = ConfigLoader(config_loader)
        self._loader: SupportsLoad = config_loader
        self.name = name
        self._targets: Targets | None = None
        self._listeners: list[Listener] = []
        self._change: Change | None = None
        self._version = 0
        self._loaded_at: datetime | None = None
        self._error: str | None = None
        self._seen: Stamp | None = None

    @property
    def path(self) -> Path | None:
        """The file, when the loader reads files."""
        return self._loader.path_of(self.name) if isinstance(self._loader, ConfigLoader) else None

    @property
    def config(self) -> GroupsConfig:
        return self.targets.config

    @property
    def targets(self) -> Targets:
        """The current snapshot, read on first use."""
        if self._targets is None:
            self.load_config()
        assert self._targets is not None
        return self._targets

    def load_config(self) -> GroupsConfig:
        """Read the file and swap it in.

        Raises:
            ConfigurationError: every problem of the file, one a line; the snapshot in use stays.
        """
        self._seen = self._stamp()
        try:
            targets = self._read()
        except ConfigurationError as exc:
            self._error = str(exc)
            raise
        self._targets, self._error = targets, None
        self._version += 1
        self._loaded_at = datetime.now(UTC)
        for listener in self._listeners:
            listener(targets.config)
        return targets.config

    def _read(self) -> Targets:
        """Everything that may be wrong with a file is found here, before anybody hears of it."""
        source = str(self.path or self.name)
        config = parse_config(self._loader.load(self.name), source)
        targets = Targets(self._change(config) if self._change is not None else config)
        if problems := targets.problems():
            raise ConfigurationError("\n".join(f"{source}: {problem}" for problem in problems))
        return targets

    def _stamp(self) -> Stamp | None:
        """What tells one state of the file from another, behind whatever links lead to it; None while it is absent."""
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def load_or_empty(self) -> bool:
        """As :meth:`load_config`, but a file that is absent or wrong means no groups, and the status says why.

        For an app that must start all the same: single models work, and a corrected file is taken over as usual.
        """
        try:
            self.load_config()
        except ConfigurationError as exc:
            logger.warning("there are no task groups: %s", exc)
            self._targets = self._targets or Targets(GroupsConfig())
            return False
        return True

    def adjust(self, change: Change) -> None:
        """Have ``change`` applied to this snapshot and to all that are read from now on, in place of an earlier one.

        The file stays as it is. Must be called where the gateway's event loop runs, as every reload is.
        """
        self._change = change
        if not self.reload() and self._targets is not None:
            # The file is absent or wrong: what is in use is changed.
            self._targets = Targets(change(self._targets.config))
            for listener in self._listeners:
                listener(self._targets.config)

    def reload(self) -> bool:
        """Read the file again; whether it was taken over. If not, the old snapshot stays and the status says why."""
        try:
            self.load_config()
        except ConfigurationError as exc:
            logger.warning("the changed task groups are refused, the old ones stay: %s", exc)
            return False
        return True

    async def watch(self) -> AsyncIterator[bool]:
        """Reload at each change of the file, for as long as this is iterated; yields whether it was taken over."""
        path = self.path
        if path is None:
            raise ConfigurationError(f"{type(self._loader).__name__!r} reads no file that could be watched")
        async with contextlib.aclosing(_moments(path.parent)) as moments:
            async for _ in moments:
                if self._stamp() != self._seen:
                    yield self.reload()

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each snapshot, and at once with the current one; what is returned ends that."""
        config = self.config
        self._listeners.append(listener)
        listener(config)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def route(self, target: str, fallback_groups: Iterable[str] = ()) -> Route:
        return self.targets.route(target, fallback_groups)

    def get_models_for_group(self, reference: str) -> list[str]:
        """The models of a group (all its echelons, best first) or of one echelon, in the order of the file.

        Raises:
            ModelNotFoundError: no such group or echelon.
        """
        group, echelon = self.parse_group_reference(reference)
        entry = self.config.task_groups[group]
        names = [echelon] if echelon else entry.by_priority()
        return list(dict.fromkeys(model for name in names for model in entry.echelons[name].models))

    def get_fallback_groups(self, reference: str) -> list[str]:
        """Where a request to ``reference`` goes after its own models, in order: echelons and groups."""
        group, _ = self.parse_group_reference(reference)
        stages = self.route(reference).stages[1:]
        return [stage.target for stage in stages if stage.target != group]

    def parse_group_reference(self, reference: str) -> tuple[str, str | None]:
        """``"fast_group.echelon1"`` as ``("fast_group", "echelon1")``, ``"fast_group"`` as ``("fast_group", None)``."""
        group, echelon = self.targets.parse(reference)
        if group is None:
            known = ", ".join(self.config.task_groups) or "none"
            raise ModelNotFoundError(f"no group named {reference!r}; known are {known}")
        return group, echelon

    def get_config_status(self) -> dict[str, Any]:
        """Which snapshot is in use, and the error of a newer file that was refused."""
        config = self._targets.config if self._targets else GroupsConfig()
        listed = {m for g in config.task_groups.values() for e in g.echelons.values() for m in e.models}
        return {
            "loaded": self._targets is not None,
            "file": str(self.path or self.name),
            "version": self._version,
            "loaded_at": self._loaded_at.isoformat() if self._loaded_at else None,
            "error": self._error,
            "task_groups": {name: group.by_priority() for name, group in config.task_groups.items()},
            "polling_pools": list(config.polling_pools),
            "nodes": list(config.nodes),
            "models": list(config.models),
            "undeclared_models": sorted(listed - set(config.models)),
        }


async def _moments(folder: Path) -> AsyncGenerator[None, None]:
    """Moments to look at a file in ``folder``: now, when something changes there, and every second all the same.

    The folder is watched rather than the file, which editors replace. It may be absent still, be replaced or be a link
    to another one tomorrow; a network's file system tells of no change: then the seconds are what is left.
    """
    yield
    while True:
        try:
            waits_ms = int(LOOK_INTERVAL_S * 1000)
            async for _ in awatch(
                folder, debounce=100, step=20, recursive=False, rust_timeout=waits_ms, yield_on_timeout=True
            ):
                yield
        except OSError:
            await asyncio.sleep(LOOK_INTERVAL_S)
            yield
