"""``query``, ``chat``, ``models``, ``status`` and ``test``: of a running server, or of models loaded here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.home import Announced, running_in
from tests.server.test_app import said, started
from tests.support.tiny_gguf import chain, word, write_chain
from tests.support.typed_command import typed
from tests.support.warm_python import warm_python
from tests.ui.test_app import ROOT, free_port


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model that says "one two" whatever it is asked."""
    place = tmp_path_factory.mktemp("home")
    (place / "models" / "gguf").mkdir(parents=True)
    words = [word(one) for one in ("\n", "▁one", "▁two")]
    write_chain(place / "models" / "gguf" / "tiny.gguf", chain(words))
    return place


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[str]:
    """A server with that home; where it is."""
    port = free_port()
    with started(home, "--port", str(port)) as server:
        assert said(server)
        yield f"http://127.0.0.1:{port}"


def command(home: Path, *words: str, given: str = "") -> tuple[int, str, str]:
    environment = {
        **os.environ,
        "MLC_HOME": str(home),
        "MLC_MODELS_DIR": str(home / "models"),
        "MLC_CONFIGS_DIR": str(home / "configs"),
        "MLC_SPARE_PROCESS": "false",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [warm_python(), "-m", "multi_llm_comparator.cli", *words],
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_a_running_server_is_asked(home: Path, served: str) -> None:
    code, out, err = command(home, "query", "-q", "hi", "--json", "--temperature", "0")
    assert code == 0, err
    told = json.loads(out)
    assert (told["result"], told["model"], told["answered_at"]) == (" one two", "tiny", served)
    code, out, err = command(home, "query", "--temperature", "0", given="hi\n")
    assert (code, out) == (0, " one two\n"), err
    code, out, err = command(home, "chat", "--json", "--temperature", "0", given="hi\nagain\n")
    assert [json.loads(line)["result"] for line in out.splitlines()] == [" one two"] * 2, err
    status = json.loads(command(home, "status", "--json")[1])
    assert (status["address"], status["active_models"], status["total_requests"]) == (served, ["tiny"], 4)
    assert command(home, "models", "--format", "names")[1].splitlines()[0] == "tiny"


@pytest.mark.slow
def test_without_one_models_are_loaded_here(home: Path) -> None:
    code, out, err = command(home, "test", "--model", "tiny", "--alone", "--json")
    assert code == 0, err
    assert json.loads(out)[0]["said"].startswith(" one")
    code, _, err = command(home, "query", "-q", "hi", "--model", "tine", "--alone")
    assert code == 2 and "did you mean 'tiny'" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("query", "-q", "hi", "--strategy", "best"), "there are auto, direct, sequential"),
        (("query", "-q", "hi", "--strategy", "voting", "--model", "m"), "leave --model out"),
        (("query", "-q", "hi", "--strategy", "direct"), "needs --model"),
        (("query", "-q", ""), "nothing to ask"),
        (("query", "-q", "hi", "--temperature", "0.001"), "--temperature"),
        (("query", "-q", "hi", "--max-tokens", "1000000"), "--max-tokens"),
        (("models", "--format", "xml"), "there are table, names, json"),
    ],
)
def test_wrong_use_is_one_message(
    words: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, out, err = typed(monkeypatch, capfd, tmp_path, *words)
    assert (code, out) == (2, "")
    assert reason in " ".join(err.split())


def test_the_help_waits_for_nothing_heavy() -> None:
    heavy = "('pydantic', 'sqlalchemy', 'numpy', 'rich', 'httpx2', 'yaml', 'networkx', 'plotly', 'asyncio')"
    for module in ("cli.app", "cli.config_app", "server.app"):
        code = f"import sys, multi_llm_comparator.{module}; print([m for m in {heavy} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]", module


@pytest.mark.parametrize(
    "command",
    [
        "query",
        "plan",
        "evaluate",
        "promptset",
        "jobs",
        "runs",
        "convert",
        "service",
        "resume",
        "vote",
        "model",
        "compare",
    ],
)
def test_the_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    # typer itself looks at pydantic where it is there.
    heavy = ("sqlalchemy", "numpy", "rich", "httpx2", "yaml", "torch", "asyncio")
    code = (
        f"import sys; sys.argv = ['llm-cooperation', {command!r}, '--help']\n"
        "from multi_llm_comparator.cli import app\n"
        "try:\n    app.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--json" in done.stdout or command in ("promptset", "jobs", "runs", "vote", "model")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("", {"query", "cooperate", "jobs", "tune"}),
        ("jobs ", {"list", "show", "stop", "resume", "opencompass"}),
        ("promptset ", {"list", "import"}),
        ("evaluate --re", {"--repeats", "--reference", "--resume"}),
        ("tune --model", {"--model_path"}),
        ("jobs show --j", {"--json"}),
        ("vote ", {"start", "continue", "ranking", "pairs"}),
        ("model keep --p", {"--pin"}),
        ("compare --te", {"--temperature"}),
    ],
)
def test_a_shell_is_told_how_a_line_may_go_on(line: str, offered: set[str]) -> None:
    code = "import sys; sys.argv = ['llm-cooperation']; from multi_llm_comparator.cli import app; app.main()"
    words = f"llm-cooperation {line}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, "_LLM_COOPERATION_COMPLETE": "complete_bash", **asked}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert offered <= set(done.stdout.split()), done.stderr


@pytest.mark.parametrize(
    ("module", "asked", "offered"),
    [
        ("app", {"_LLM_COOPERATION_COMPLETE": "complete_zsh"}, ("stop", "opencompass")),
        ("app", {"_LLM_COOPERATION_COMPLETE": "complete_fish"}, ("stop", "opencompass")),
        ("config_app", {"_LLM_CONFIG_COMPLETE": "complete_bash", "COMP_CWORD": "2"}, ("add", "revoke")),
    ],
)
def test_other_shells_and_the_other_program_complete_too(
    module: str, asked: dict[str, str], offered: tuple[str, ...]
) -> None:
    program, line = ("llm-cooperation", "jobs") if module == "app" else ("llm-config", "key")
    words = f"{program} {line} "
    told = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", **asked}
    told["COMP_WORDS" if "COMP_CWORD" in asked else "_TYPER_COMPLETE_ARGS"] = words
    code = f"import sys; sys.argv = [{program!r}]; from multi_llm_comparator.cli import {module} as it; it.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env={**os.environ, **told}
    )
    assert all(word in done.stdout for word in offered), (done.stdout, done.stderr)


def test_a_server_is_known_while_it_runs(tmp_path: Path) -> None:
    with Announced(tmp_path, "http://127.0.0.1:1"):
        found = running_in(tmp_path)
        assert found is not None and found.pid == os.getpid()
    assert running_in(tmp_path) is None
    (tmp_path / "server.holder.json").write_text('{"pid": 99999999, "host": "x", "since": 1, "address": "http://x"}')
    assert running_in(tmp_path) is None
