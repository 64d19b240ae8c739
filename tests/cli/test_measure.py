"""Evaluations and prompt sets from the shell."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from multi_llm_comparator.cli.measure import judge_of
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.evaluation.prompt_set_files import prompt_set_file
from multi_llm_comparator.plans.saved import SavedPlans
from tests.cli.test_commands import command
from tests.evaluation.measuring.making import prompt_set
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS
from tests.support.scripted_openai_server import Act, ScriptedServer

ROOT = Path(__file__).parents[2]
MODELS = [ROOT / "models" / "gguf" / f"demo-small-{kind}.gguf" for kind in ("Q8_0", "Q4_0")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two quantizations of a demo model and a file of prompts."""
    if not all(path.exists() for path in MODELS):
        pytest.skip("the demo models are not made yet")
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    for path in MODELS:
        (folder / path.name).symlink_to(path.resolve())
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    prompts = prompt_set(("What is 2 + 7?", "9"), ("What is 3 + 8?", "12"), compare="numeric")
    (tmp_path / "sums.csv").write_bytes(prompt_set_file(prompts, "csv"))
    return tmp_path


async def test_prompt_sets_are_imported_listed_exported_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "cities.csv").write_text("prompt,expected\nCapital of France?,Paris\n", encoding="utf-8")
    code, set_id, err = await command(tmp_path, "promptset", "import", "cities.csv")
    assert (code, "1 prompts are kept as 'cities'" in err) == (0, True), err
    code, listed, _ = await command(tmp_path, "promptset", "list")
    assert (code, set_id.strip() in listed, "cities" in listed) == (0, True, True)
    assert (await command(tmp_path, "promptset", "export", "cities", "out.jsonl"))[0] == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["expected"] == "Paris"
    assert (await command(tmp_path, "promptset", "delete", "cities"))[0] == 0
    code, _, err = await command(tmp_path, "promptset", "export", "cities", "out.jsonl")
    assert (code, "no prompt set 'cities'" in err) == (2, True)


@pytest.mark.slow
async def test_a_set_is_asked_of_two_models_and_reported(place: Path) -> None:
    names = [path.stem for path in MODELS]
    code, out, err = await command(
        place, "evaluate", "--set", "sums.csv", "--model", names[0], "--model", names[1], "--output", "report.json"
    )
    assert code == 0, err
    assert "2 prompts are too few to show any difference" in " ".join(err.split())
    assert re.search(r"demo-small-Q8_0 +own prompts +\d", out)
    assert "scored the same on all of 2 prompts" in " ".join(out.split())
    report = json.loads((place / "report.json").read_text(encoding="utf-8"))
    assert (len(report["answers"]), report["state"]) == (4, "done")
    run = re.search(r"run: (\w+)", err)
    assert run
    code, out, err = await command(place, "export", run[1], "--format", "md", "--output", "-")
    assert (code, "## Verdict" in out) == (0, True), err


async def test_a_saved_plan_is_measured_like_a_model_and_scored_anew_without_asking(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual = {"boss": Act(text=PLAN), "mini": Act(text="7"), "big": Act(text="The answer is 568.")}
        remote = {name: {"provider": "test", "base_url": server.url, "model": name} for name in server.usual}
        groups = tmp_path / "configs" / "llms" / "groups" / "_task_groups.yaml"
        groups.parent.mkdir(parents=True)
        groups.write_text(yaml.safe_dump({"models": remote}), encoding="utf-8")
        options = replace(OPTIONS, router_model="boss", executor=replace(OPTIONS.executor, small_model="mini"))
        executor = replace(options.executor, large_model="big")
        SavedPlans(tmp_path / "configs" / "plans").save("sums", replace(options, executor=executor))
        stem = [{"problem": "What is (23 + 48) * (17 - 9)?", "answer": "568"}, {"problem": "4 + 5?", "answer": "9"}]
        (tmp_path / "stem.json").write_text(json.dumps(stem), encoding="utf-8")
        words = ("--task", "stem.json", "--model", "plan:sums", "--model", "mini", "--output", "report.json")
        code, out, err = await command(tmp_path, "evaluate", *words)
        assert code == 0, err
        assert "2 items are too few to show any difference" in " ".join(err.split())
        assert re.search(r"plan:sums +stem +50\.0%", out), out
        assert re.search(r"mini +stem +0\.0%", out), out
        asked = len(server.received)
        run = re.search(r"run: (\w+)", err)
        assert run
        code, out, err = await command(tmp_path, "evaluate", "--rescore", run[1])
        assert (code, "0 scores or reasons changed" in err, len(server.received)) == (0, True, asked), err
        assert re.search(r"plan:sums +stem +50\.0%", out)
    code, _, err = await command(tmp_path, "evaluate", "--task", "stem.json", "--model", "plan:sum")
    assert (code, "no plan is called 'sum'" in " ".join(err.split())) == (2, True), err


async def test_a_model_is_asked_with_presets_and_system_prompts_and_what_stands_beside_a_preset_counts(
    tmp_path: Path,
) -> None:
    code, _, err = await command(tmp_path, "parameters", "save", "warm", "temperature=0.9", "max_tokens=33")
    assert code == 0, err
    (tmp_path / "sums.csv").write_text("prompt,expected,compare\n2 + 2?,4,contains\n", encoding="utf-8")
    async with ScriptedServer() as server:
        server.usual = {"mini": Act(text="4")}
        groups = tmp_path / "configs" / "llms" / "groups" / "_task_groups.yaml"
        groups.parent.mkdir(parents=True)
        remote = {"mini": {"provider": "test", "base_url": server.url, "model": "mini"}}
        groups.write_text(yaml.safe_dump({"models": remote}), encoding="utf-8")
        words = ("evaluate", "--set", "sums.csv", "--model", "mini")
        crossed = ("--parameters", "", "--parameters", "warm", "--system", "", "--system", "Be brief.")
        code, out, err = await command(tmp_path, *words, *crossed)
        assert code == 0, err
        assert "1 prompts × 4 sets of parameters = 4 answers" in " ".join(err.split())
        assert re.search(r"mini · warm · “Be brief.” +own prompts +100\.0%", out), out
        sent = [request.body for request in server.received]
        told = sorted((one["temperature"], one["max_tokens"], one["messages"][0]["role"]) for one in sent)
        assert told == [(0.0, 256, "system"), (0.0, 256, "user"), (0.9, 33, "system"), (0.9, 33, "user")]
        server.received.clear()
        code, _, err = await command(tmp_path, *words, "--parameters", "warm", "--max-tokens", "5")
        assert (code, [one.body["max_tokens"] for one in server.received]) == (0, [5]), err
        code, _, err = await command(tmp_path, *words, "--parameters", "calm")
        assert (code, "no preset is called 'calm'; there are 'warm'" in " ".join(err.split())) == (2, True), err
        many = [word for n in range(17) for word in ("--system", f"Be {n}.")]
        code, _, err = await command(tmp_path, *words, *many)
        assert (code, "systems: may have at most 16 entries" in " ".join(err.split())) == (2, True), err


def test_a_rubric_makes_a_judge_go_by_it() -> None:
    judge = judge_of("m", "a name", "", "It rhymes.")
    assert (judge.mode, judge.rubric, judge.name) == ("rubric", "It rhymes.", "a name")
    assert judge_of("m", "", "", "").mode == "pairwise"
    with pytest.raises(ConfigurationError, match="not pairwise"):
        judge_of("m", "", "pairwise", "It rhymes.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--set", "nothing.csv", "--model", "m"), "neither"),
        (("--set", "sums.csv"), "nobody to ask"),
        (("--set", "sums.csv", "--model", "m", "--output", "report.pdf"), "must end in one of"),
    ],
)
async def test_what_cannot_be_evaluated_is_said_before_anything_is_asked(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "sums.csv").write_text("prompt\nx\n", encoding="utf-8")
    code, _, err = await command(tmp_path, "evaluate", *words)
    assert code == 2
    assert says in " ".join(err.split())
