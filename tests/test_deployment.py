"""Container files: what they name is there, and metrics that dashboards and alerts ask for are really given.

Their own tools check them where they are installed; images are built only where a Docker daemon and a network are.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.groups.config_loader import parse_config, read_yaml
from multi_llm_comparator.server.app import parser
from tests.support.gateways import gateway_of

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE, DOCKERFILE = ROOT / "compose.yaml", ROOT / "Dockerfile"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "multi-llm-comparator.json"
GROUPS = {"task_groups": {"g": {"e": {"models": ["m"]}, "budget": {"per_day_usd": 1}, "concurrency_limit": 2}}}
SECRETS = {"MLC_ACCESS_TOKEN": "t" * 16, "POSTGRES_PASSWORD": "p" * 16}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


def test_every_mounted_file_and_named_volume_is_there() -> None:
    data = compose()
    for service in data["services"].values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in data["volumes"], mount
        for other in service.get("depends_on", ()):
            assert other in data["services"]


def test_nothing_is_open_beyond_the_machine_and_no_secret_is_written_down() -> None:
    for name, service in compose()["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", variable):
                assert value.startswith("${") and ":?" in value


def test_the_servers_variables_are_settings() -> None:
    named = {name for name in compose()["services"]["server"]["environment"] if name.startswith("MLC_")}
    named |= set(re.findall(r"\b(MLC_[A-Z_]+)=", DOCKERFILE.read_text(encoding="utf-8")))
    known = {f"MLC_{name.upper()}" for name in Settings.model_fields} | {"MLC_REDIS_URL"}
    assert named <= known
    parse_config(read_yaml(DEPLOY / "configs" / "llms" / "groups" / "_task_groups.yaml"))


def test_what_the_image_copies_is_there_and_not_kept_out_of_it() -> None:
    kept = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    for line in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(one == source or one.startswith(f"{source}/") for one in kept), source


def test_the_package_in_the_image_is_the_whole_one() -> None:
    """What setup.py lays beside the package, and every package, is copied before the image installs it."""
    building = DOCKERFILE.read_text(encoding="utf-8").split("\nFROM ")[1]
    copied = {source for line in re.findall(r"^COPY (.+)$", building, re.MULTILINE) for source in line.split()[:-1]}
    (shipped,) = (
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SHIPPED"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = [name.removesuffix("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]]
    needed = {path.relative_to(ROOT).as_posix() for pattern in shipped for path in ROOT.glob(pattern)}
    needed |= {"pyproject.toml", "setup.py", project["project"]["readme"], *packages}
    needed |= {one for part in _files_named(project) for one in part}
    lacking = {one for one in needed if not any(one == given or one.startswith(f"{given}/") for given in copied)}
    assert lacking == set()


def _files_named(project: dict[str, Any]) -> Iterator[list[str]]:
    """The files that dependencies are read from."""
    dynamic = project["tool"]["setuptools"]["dynamic"]
    for part in (dynamic["dependencies"], *dynamic["optional-dependencies"].values()):
        yield part["file"]


def test_the_commands_of_image_and_composition_are_programs_of_the_package() -> None:
    programs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    (command,) = re.findall(r"^CMD (\[.+\])$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    for words in (json.loads(command), compose()["services"]["server"]["command"]):
        assert words[0] in programs
        parsed = parser().parse_args(words[1:])
        assert parsed.host == "0.0.0.0" and parsed.port == 8080


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not here")
def test_hadolint_finds_nothing_wrong() -> None:
    # Debian's packages have no versions that stay: the image's base names their release.
    done = subprocess.run(
        ["hadolint", "--ignore", "DL3008", str(DOCKERFILE)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_dashboard_and_alerts_ask_for_metrics_that_are_given(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    asked += [rule["expr"] for group in rules for rule in group["rules"]]
    async with gateway_of(GROUPS, tmp_path) as gateway:
        text = gateway.parts.metrics.render().decode()
    given = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
        given |= {name, f"{name}_bucket"} if kind == "histogram" else {name}
    named = {name for expression in asked for name in re.findall(r"\bmlc_\w+", expression)}
    assert named and named <= given


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_promtool_accepts_rules_and_configuration() -> None:
    for command in (["check", "rules", "alerts.yml"], ["check", "config", "--syntax-only", "prometheus.yml"]):
        done = subprocess.run(["promtool", *command], cwd=DEPLOY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not here")
def test_compose_accepts_its_file() -> None:
    command = ["docker", "compose", "--file", str(COMPOSE), "config", "--quiet"]
    done = subprocess.run(
        command, env={"PATH": "/usr/local/bin:/usr/bin:/bin", **SECRETS}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def _has_daemon() -> bool:
    """Whether Docker is here and answers: a client alone cannot build."""
    if not _has_compose():
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.skipif(not _has_daemon(), reason="no docker daemon answers")
def test_the_composition_is_built_started_and_answers() -> None:
    """Server, Redis, Postgres and Prometheus, from an image that is built now: as in docs/deployment.md."""
    command = ["docker", "compose", "--project-name", "mlc-test", "--file", str(COMPOSE)]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **SECRETS}

    def compose_does(*words: str, timeout_s: float) -> None:
        done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, done.stderr[-4000:]

    try:
        compose_does("up", "--build", "--detach", "--wait", timeout_s=3600)
        key = {"authorization": f"Bearer {SECRETS['MLC_ACCESS_TOKEN']}"}
        with httpx2.Client(timeout=120, trust_env=False) as http:
            assert http.get("http://127.0.0.1:8080/health").text == "ok"
            assert http.get("http://127.0.0.1:8080/v1/models").status_code == 401
            listed = http.get("http://127.0.0.1:8080/v1/models", headers=key).json()["data"]
            assert "demo-small" in {one["id"] for one in listed}
            asked = {"model": "demo-small", "messages": [{"role": "user", "content": "What is 12 + 30?"}]}
            answer = http.post("http://127.0.0.1:8080/v1/chat/completions", json=asked, headers=key)
            assert answer.status_code == 200, answer.text
            assert http.get("http://127.0.0.1:9090/-/ready").status_code == 200
            assert http.get("http://127.0.0.1:3000/api/health").status_code == 200
    finally:
        compose_does("down", "--volumes", "--rmi", "local", timeout_s=600)
