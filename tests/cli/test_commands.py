"""The commands as a person types them, each in a process of its own, with an endpoint that acts as the test says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from multi_llm_comparator import __version__
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.tracking.store import Store
from tests.evaluation.test_judging import scores
from tests.plans.test_parse import PLAN
from tests.support.scripted_openai_server import Act, ScriptedServer
from tests.support.typed_command import typed
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
KEY = "my-secret-key-123456"
PATIENCE_S = 120.0


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as scripted:
        scripted.usual = {
            "boss": Act(text=f"<think>split it</think>{PLAN}"),
            "mini": Act(text="7"),
            "big": Act(text="The answer is 568."),
        }
        yield scripted


@pytest.fixture
def place(tmp_path: Path) -> Path:
    questions = [
        {"question": "What is (23 + 48) * (17 - 9)?", "answer": "568", "subject": "maths"},
        {"question": "And what is 4 + 5?", "answer": "9", "subject": "maths"},
    ]
    (tmp_path / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    (tmp_path / "key").write_text(KEY, encoding="utf-8")
    return tmp_path


def configure(place: Path, server: ScriptedServer, **sections: Any) -> None:
    parts = ("small", "large", "router")
    data = {
        "models": {"small_model": "mini", "large_model": "big", "router_model": "boss"},
        "api": {f"{p}_api_base_url": server.url for p in parts} | {f"{p}_key_path": "key" for p in parts},
        "query": "What is (23 + 48) * (17 - 9)?",
        **sections,
    }
    (place / "config.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")


async def started(place: Path, *words: str, cold: bool = False) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return await asyncio.create_subprocess_exec(
        sys.executable if cold else warm_python(),
        "-m",
        "multi_llm_comparator.cli",
        *words,
        cwd=place,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def command(place: Path, *words: str, cold: bool = False) -> tuple[int | None, str, str]:
    return await ended(await started(place, *words, cold=cold))


def one(place: Path, pattern: str) -> Path:
    (found,) = (place / "data_reports").glob(pattern)
    return found


def test_the_command_is_where_make_run_puts_it(tmp_path: Path) -> None:
    command = shutil.which("llm-cooperation", path=str(Path(sys.executable).parent))
    assert command, "install the package: make .make/run"
    shown = subprocess.run([command, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert shown.returncode == 0
    assert "baseline" in shown.stdout


async def test_a_question_is_answered_and_reported_and_the_key_stands_nowhere(
    place: Path, server: ScriptedServer
) -> None:
    configure(place, server)
    code, out, err = await command(place, "plan", "--config", "config.yaml", cold=True)
    assert (code, out) == (0, "The answer is 568.\n"), err
    report = one(place, "single/boss__mini__big/*/report.md")
    assert str(report.relative_to(place)) in err
    assert {r.headers["authorization"] for r in server.received} == {f"Bearer {KEY}"}
    home = Path(os.environ["MLC_HOME"])
    written = [p for folder in (place / "data_reports", home) for p in folder.rglob("*") if p.is_file()]
    assert [p for p in written if KEY.encode() in p.read_bytes()] == []
    assert KEY not in out + err


async def test_an_answer_that_some_steps_are_missing_from_says_which(place: Path, server: ScriptedServer) -> None:
    configure(place, server)
    server.script("mini", Act(kind="status", status=400))
    server.script("big", Act(kind="status", status=400))
    code, out, err = await command(place, "plan")
    assert (code, out) == (0, "The answer is 568.\n"), err
    # One of the first two failed, and the third needs both.
    assert re.search(r"without the answers of steps: [12], 3\n", err)


async def test_a_run_stopped_by_ctrl_c_is_resumed_without_repeating_what_is_done(
    place: Path, server: ScriptedServer
) -> None:
    configure(place, server)
    server.script("big", Act(kind="hang"))
    process = await started(place, "plan")
    async with asyncio.timeout(PATIENCE_S):
        while server.count("big") == 0:
            await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, _, err = await ended(process)
    assert code == 130, err
    assert "Traceback" not in err
    run_id = err.partition("llm-cooperation resume ")[2].split()[0]
    code, out, err = await command(place, "resume", run_id)
    assert (code, out) == (0, "The answer is 568.\n"), err
    assert (server.count("boss"), server.count("mini")) == (1, 2)


async def test_a_data_set_is_measured_and_a_second_run_in_its_folder_asks_nothing(
    place: Path, server: ScriptedServer
) -> None:
    configure(place, server, dataset={"enabled": True, "path": "questions.json"})
    code, out, err = await command(place, "plan", "--output", "run")
    assert code == 0, err
    assert "2 of 2 questions, 1 of 2 right (50.0%)" in out
    assert "mean compression ratio" in (place / "run" / "dataset_report.md").read_text(encoding="utf-8")
    asked = len(server.received)
    assert (await command(place, "resume", "run"))[0] == 0
    assert len(server.received) == asked
    code, out, _ = await command(place, "analyze", "run/dataset_results.json")
    assert code == 0
    assert "| 2 | 4 | 4 | 0 | 100.0% |" in out
    assert "| 2 | 4 | 0 | 4 | 0.0% |" in (await command(place, "analyze", "run/dataset_results.json", "2"))[1]


async def test_pairs_for_tuning_a_planner_are_built_without_asking_the_others(
    place: Path, server: ScriptedServer
) -> None:
    build = {"enabled": True, "save_thinking": True}
    judge = {"enabled": True, "model": "judge", "api_base_url": server.url}
    server.usual["judge"] = Act(text=scores("planner"))
    dataset = {"enabled": True, "path": "questions.json", "build": build}
    configure(place, server, dataset=dataset, evaluation=judge)
    code, out, err = await command(place, "plan")
    assert (code, server.count("mini"), server.count("big")) == (0, 0, 0), err
    assert "2 of 2 question-plan pairs were kept" in out
    assert "Judged by `judge`" in one(place, "dataset/*/*/dataset_report.md").read_text(encoding="utf-8")
    lines = one(place, "dataset/*/*/planner_sft.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["messages"][-1]["content"][:7] for line in lines] == ["<think>", "<think>"]


async def test_what_a_plan_and_a_model_answered_gets_a_verdict_and_nobody_is_asked(
    place: Path, server: ScriptedServer
) -> None:
    configure(place, server, dataset={"enabled": True, "path": "questions.json"})
    code, _, err = await command(place, "plan", "--output", "planned")
    assert code == 0, err
    single = ("baseline", "--dataset", "questions.json", "--model", "mini", "--output", "single")
    code, _, err = await command(place, *single)
    assert code == 0, err
    asked = len(server.received)
    folders = ("--answered", "planned", "--answered", "single")
    code, out, err = await command(place, "evaluate", *folders, "--output", "report.json")
    assert (code, len(server.received)) == (0, asked), err
    assert re.search(r"plan \(boss, mini, big\) · planned +questions\w* +50\.0%", out), out
    assert re.search(r"mini · single +questions\w* +0\.0%", out), out
    assert "with 2 items" in " ".join(out.split())
    found = json.loads((place / "report.json").read_text(encoding="utf-8"))
    assert [answer["text"] for answer in found["answers"]].count("7") == 2
    run = re.search(r"run: (\w+)", err)
    assert run and (await command(place, "export", run[1], "--format", "md", "--output", "-"))[0] == 0
    code, _, err = await command(place, "evaluate", "--answered", ".")
    assert (code, "no work was begun in" in " ".join(err.split())) == (2, True), err


async def test_a_single_model_is_measured_on_the_same_questions(place: Path, server: ScriptedServer) -> None:
    configure(place, server)
    code, out, err = await command(
        place, "baseline", "--dataset", "questions.json", "--model", "big", "--limit", "1", "--timeout", "60"
    )
    assert code == 0, err
    assert "1 of 1 questions, 1 of 1 right" in out
    assert one(place, "single_model_results/big/*/dataset_report.md").exists()
    assert (await command(place, "baseline", "--query", "What is it?"))[1] == "The answer is 568.\n"
    assert one(place, "single_model_results/big/*/report.md").exists()
    assert server.count("boss") == 0
    store = Store(f"sqlite:///{Path(os.environ['MLC_HOME']) / 'workbench.db'}")
    runs = store.list_runs()
    assert [(r.title, r.status, r.origin, r.models) for r in runs] == [
        ("What is it?", "done", "cli", ("big",)),
        ("What is (23 + 48) * (17 - 9)?", "done", "cli", ("big",)),
    ]
    store.close()


async def test_what_cannot_be_answered_is_said_and_shown_by_the_exit_code(place: Path, server: ScriptedServer) -> None:
    configure(place, server)
    server.usual = {name: Act(kind="status", status=401) for name in ("boss", "mini", "big")}
    code, out, err = await command(place, "plan")
    assert (code, out) == (1, "")
    assert "no answer" in err and "Traceback" not in err and KEY not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan"], "config.example.yaml"),
        (["plan", "--config", "bad.yaml"], "models.small_model"),
        (["resume", "nothing"], "nothing"),
        (["analyze", "absent.json"], "absent.json"),
        (["analyze", "questions.json"], "dataset_results.json"),
        (["baseline", "--query", "q", "--model", "no-such-model"], "no-such-model"),
        (["plan", "--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(
    place: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "bad.yaml").write_text("models: {}", encoding="utf-8")
    code, out, err = typed(monkeypatch, capfd, place, *words)
    assert (code, out) == (2, "")
    assert said in err and "Traceback" not in err


async def test_the_command_line_does_not_import_the_heavy_libraries() -> None:
    code = (
        "import sys; import multi_llm_comparator.cli.app;"
        "print([m for m in ('torch', 'transformers', 'llama_cpp', 'streamlit', 'openai') if m in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert (await ended(process))[1].strip() == "[]"


async def test_the_example_configuration_answers_with_the_demo_models(tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to(ROOT / "models")
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.example.yaml").read_bytes())
    async with asyncio.timeout(300):
        process = await started(tmp_path, "plan")
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode().strip() == "213, Yes"
    assert one(tmp_path, "single/demo-planner__demo-small__demo-large/*/report.md").exists()


def test_the_version_is_told(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, capfd, place, "--version") == (0, f"llm-cooperation {__version__}\n", "")


def test_a_mistyped_model_is_blamed_for_what_was_typed(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "models").symlink_to(ROOT / "models")
    code, out, err = typed(monkeypatch, capfd, place, "baseline", "--model", "demo-smal", "--query", "hi")
    said = " ".join(err.split())
    assert (code, out) == (2, "")
    assert "error: --model: 'demo-smal' is neither a model in" in said
    assert "did you mean 'demo-small" in said
    assert "small_model" not in said


async def test_a_stored_run_is_exported_in_any_format_from_the_command_line(
    place: Path, server: ScriptedServer
) -> None:
    configure(place, server)
    await command(place, "plan")
    store = Store(get_settings().resolved_database_url)
    run_id = store.list_runs(limit=1)[0].id
    store.close()
    code, out, err = await command(place, "export", run_id, "--format", "json", "--output", "-")
    assert code == 0, err
    assert json.loads(out)["run"]["answer"] == "The answer is 568."
    code, _, err = await command(place, "export", run_id, "-f", "md", "--language", "zh")
    assert code == 0, err
    (written,) = place.glob("plan-*.md")
    assert "The answer is 568." in written.read_text(encoding="utf-8")
    assert written.name in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nowhere",), "no run 'nowhere' is stored"),
        (("nowhere", "--language", "fr"), "no language 'fr'; there are en, zh"),
    ],
)
async def test_what_cannot_be_exported_is_refused_with_the_reason(
    place: Path, words: tuple[str, ...], reason: str
) -> None:
    code, _, err = await command(place, "export", *words)
    assert code == 2
    assert reason in err
    assert "Traceback" not in err
