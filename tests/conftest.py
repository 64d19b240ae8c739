from __future__ import annotations

import functools
import gc
import itertools
import os
import ssl
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from hypothesis import settings as hypothesis_settings

from multi_llm_comparator.core import settings
from multi_llm_comparator.tracking.store import Store
from tests.support.counted_lines import Here, counting_in_all_threads, is_first_of_its_function
from tests.support.quick_schema import make_databases_quickly
from tests.support.rooms import ByRooms
from tests.support.warm_places import listen, threads_of_each
from tests.support.warm_python import start_warm_children
from tests.support.warm_start import can_start_warm, start_warm_processes

# Workers share the cores. Threads of one that wait for those of another would spin, for minutes where work takes
# seconds; torch reads this when it is imported, also in processes that tests start.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", threads_of_each(int(workers)))

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile("project", deadline=None)
hypothesis_settings.load_profile("project")

counting_here = Here()


def pytest_configure(config: pytest.Config) -> None:
    # Tests start hundreds of processes: each would compile the package anew, and each worker all tests.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if config.getoption("cov_source", default=None):
        counting_here.follow_imports()
    workers = config.getoption("numprocesses", default=None)
    is_worker = hasattr(config, "workerinput")
    if isinstance(workers, int) and workers > 0 and not is_worker and can_start_warm():
        # As if each worker had started them.
        listen(OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", threads_of_each(workers)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRooms | None:
    return ByRooms(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    with counting_here.only_if(False):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with counting_in_all_threads(is_first_of_its_function(item)):
        return (yield)


def pytest_collection_finish() -> None:
    """What is imported by now stays. To look through all of it whenever a model is unloaded takes most of a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Homes, each made for one test."""
    # Of its own: with thousands in the folder of all, finding the next number takes longer than most tests.
    place = tmp_path_factory.mktemp("homes")
    return (place / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def home_of_its_own(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own settings, runs or presets."""
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv("MLC_HOME", str(home))
    monkeypatch.setattr(settings, "_current", None)


@pytest.fixture(autouse=True)
def quick_starts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model processes begin with their imports done, databases with their tables, but where a test is ``cold``."""
    if request.node.get_closest_marker("cold") is not None:
        return
    make_databases_quickly(monkeypatch)
    if can_start_warm():
        start_warm_processes(monkeypatch)
        start_warm_children(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def authorities_are_read_once() -> Iterator[None]:
    """Each HTTP client would read the certificates of all authorities, for longer than most tests take. None of the
    servers here has one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(httpcore2, "default_ssl_context", functools.cache(httpcore2.default_ssl_context))
        patched.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a file of its own."""
    opened = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield opened
    opened.close()
