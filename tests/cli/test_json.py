"""``--json``: every command can say its result as one JSON value on standard output, and nothing else there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
import yaml

from multi_llm_comparator.cli import app, config_app
from tests.cli.test_asking import command as answered_by_home
from tests.cli.test_asking import home, served  # noqa: F401 - fixtures
from tests.cli.test_commands import command, configure, one, place  # noqa: F401 - a fixture
from tests.plans.test_parse import PLAN
from tests.support.command_words import commands_of
from tests.support.scripted_openai_server import Act, ScriptedServer

# It becomes the app itself.
WITHOUT = {"ui"}


@pytest.mark.parametrize("program", [app.app, config_app.app], ids=["llm-cooperation", "llm-config"])
def test_every_command_has_the_option(program: typer.Typer) -> None:
    found = dict(commands_of(program))
    assert len(found) > 8
    lacking = [
        name
        for name, one_of_them in found.items()
        if name not in WITHOUT and not any("--json" in parameter.opts for parameter in one_of_them.params)
    ]
    assert lacking == []


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as scripted:
        scripted.usual = {"boss": Act(text=PLAN), "mini": Act(text="7"), "big": Act(text="The answer is 568.")}
        yield scripted


async def test_plans_baselines_and_exports_say_one_value(place: Path, server: ScriptedServer) -> None:  # noqa: F811
    configure(place, server)
    code, out, err = await command(place, "plan", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["result"], told["state"], told["unanswered_steps"]) == ("The answer is 568.", "done", [])
    assert told["figures"]["steps"] == 3 and Path(place / told["report"]).is_file()
    again = json.loads((await command(place, "resume", told["run_id"], "--json"))[1])
    assert (again["run_id"], again["result"]) == (told["run_id"], told["result"])
    assert server.count("boss") == 1
    asked = json.loads((await command(place, "baseline", "--query", "What is it?", "--json"))[1])
    assert (asked["result"], asked["figures"]["steps"]) == ("The answer is 568.", 1)
    written = json.loads((await command(place, "export", told["run_id"], "--json", "-o", "out.html"))[1])
    assert written["size_bytes"] == (place / "out.html").stat().st_size
    assert (await command(place, "export", told["run_id"], "--json", "-o", "-"))[0] == 2
    listed = json.loads((await command(place, "runs", "list", "--kind", "plan", "--json"))[1])
    assert told["run_id"] in [run["id"] for run in listed]
    assert json.loads((await command(place, "runs", "list", "--key", "mlc-00000000", "--json"))[1]) == []
    shown = json.loads((await command(place, "runs", "show", told["run_id"], "--json"))[1])
    assert (shown["run"]["status"], shown["export"]["run"]["answer"]) == ("done", "The answer is 568.")
    assert json.loads((await command(place, "runs", "delete", told["run_id"], "--json"))[1]) == {"deleted": 1}
    assert (await command(place, "runs", "show", told["run_id"]))[0] == 2


async def test_data_sets_and_their_analysis_say_one_value(place: Path, server: ScriptedServer) -> None:  # noqa: F811
    configure(place, server, dataset={"enabled": True, "path": "questions.json"})
    code, out, err = await command(place, "plan", "--output", "run", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["mode"], told["total"], told["correct"], told["accuracy"]) == ("dataset", 2, 1, 0.5)
    split = json.loads((await command(place, "analyze", "run/dataset_results.json", "2", "--json"))[1])
    assert split["questions"] == 2 and sum(row["steps"] for row in split["split"] if row["difficulty"] is None) > 0


async def test_a_failure_is_a_value_too_and_an_exit_code(place: Path, server: ScriptedServer) -> None:  # noqa: F811
    configure(place, server)
    server.usual = {name: Act(kind="status", status=401) for name in ("boss", "mini", "big")}
    code, out, _ = await command(place, "plan", "--json")
    told = json.loads(out)
    assert (code, told["result"]) == (1, None) and told["error"]


@pytest.mark.slow
def test_a_running_server_answers_for_local_models_of_plans_and_baselines(home: Path, served: str) -> None:  # noqa: F811
    code, out, err = answered_by_home(home, "baseline", "--model", "tiny", "--query", "hi", "--json")
    assert code == 0, err
    assert json.loads(out)["result"].split()[:2] == ["one", "two"]
    assert f"models are asked at {served}" in err
    status = json.loads(answered_by_home(home, "status", "--json")[1])
    assert status["active_models"] == ["tiny"] and status["total_requests"] >= 1
    before = status["total_requests"]
    # A planner that writes no plan: what counts is who was asked.
    roles = dict.fromkeys(("small_model", "large_model", "router_model"), "tiny")
    (home / "config.yaml").write_text(yaml.safe_dump({"models": roles}), encoding="utf-8")
    answered_by_home(home, "plan", "--config", str(home / "config.yaml"), "--query", "hi", "--json")
    assert json.loads(answered_by_home(home, "status", "--json")[1])["total_requests"] > before
    code, out, err = answered_by_home(home, "baseline", "--model", "tiny", "--query", "hi", "--json", "--alone")
    assert code == 0 and "models are asked" not in err
