from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.conversion import jobs
from multi_llm_comparator.services import child_process, hub
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.services.model_process import ModelProcess
from multi_llm_comparator.services.template import Template

SECRETS = {
    "OPENAI_API_KEY": "value-of-a-secret-1",
    "HF_TOKEN": "value-of-a-secret-2",
    "AWS_SECRET_ACCESS_KEY": "value-of-a-secret-3",
    "PGPASSWORD": "value-of-a-secret-4",
    "MLC_MASTER_KEY": "value-of-a-secret-5",
    "GITHUB_PAT": "value-of-a-secret-6",
    "MLC_DATABASE_URL": "postgresql://me:value-of-a-secret-7@db/x",
    "HTTPS_PROXY": "http://me:value-of-a-secret-8@proxy:3128",
    "openai_key2": "value-of-a-secret-9",
}
HARMLESS = {
    "TOKENIZERS_PARALLELISM": "false",
    "KEYBOARD": "de",
    "MLC_MAX_TOKENS_LIMIT": "77",
    "OMP_NUM_THREADS": "1",
    "SOME_URL": "http://127.0.0.1:8080/x?a=b@c",
}


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, **HARMLESS}.items():
        monkeypatch.setenv(name, value)


def test_secrets_are_left_out_and_all_else_stays() -> None:
    environment = child_environment({"ONE": "more"})
    assert not SECRETS.keys() & environment.keys()
    assert HARMLESS.items() <= environment.items()
    assert environment["ONE"] == "more"
    assert str(Path(__file__).parents[2]) in environment["PYTHONPATH"]


def test_a_child_that_goes_online_keeps_its_proxy_and_what_it_is_given() -> None:
    environment = child_environment(keep=("HF_TOKEN",), goes_online=True)
    assert environment["HTTPS_PROXY"] == SECRETS["HTTPS_PROXY"]
    assert environment["HF_TOKEN"] == SECRETS["HF_TOKEN"]
    assert "OPENAI_API_KEY" not in environment


def environment_of(pid: int) -> str:
    """What the kernel says the process was started with, which it cannot take back."""
    return Path(f"/proc/{pid}/environ").read_text(encoding="utf-8")


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process's environment")


@linux_only
@pytest.mark.cold
async def test_a_model_process_has_none_of_them() -> None:
    process = await ModelProcess.start()
    try:
        assert "value-of-a-secret" not in environment_of(process.pid)
        assert "TOKENIZERS_PARALLELISM=false" in environment_of(process.pid)
    finally:
        await process.close()


@linux_only
async def test_the_process_that_models_are_forked_from_has_none_of_them() -> None:
    template = await Template.start(at_leisure=False)
    try:
        assert "value-of-a-secret" not in environment_of(template.pid)
    finally:
        await template.close()


@linux_only
async def test_a_conversion_has_none_and_a_download_only_the_hubs_token() -> None:
    for spawn, shown in ((jobs._spawn, []), (hub._spawn, ["HF_TOKEN", "HTTPS_PROXY", "MLC_DATABASE_URL"])):
        child = await spawn()
        try:
            found = environment_of(child.pid)
        finally:
            await child.end()
        assert sorted(name for name, value in SECRETS.items() if value in found) == shown


# Which start what reads nothing of others (a browser, the driver's tool), or are in a process that has no keys itself.
WITH_ALL = {"ui/kit/browser.py", "services/devices.py", "inferencers/constraints.py"}
STARTS = {"Popen", "create_subprocess_exec", "create_subprocess_shell"}


def test_every_process_that_is_started_has_an_environment_of_its_own() -> None:
    package = Path(child_process.__file__).parents[1]
    found = []
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            is_run = node.func.attr in ("run", "check_output") and ast.unparse(node.func.value) == "subprocess"
            if (is_run or node.func.attr in STARTS) and all(one.arg != "env" for one in node.keywords):
                found.append(path.relative_to(package).as_posix())
    assert set(found) == WITH_ALL
