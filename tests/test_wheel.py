"""The wheel without its checkout: installed into an empty environment, its commands open the pages and answer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.system_packages import find_chromium
from tests.support.versions import copy_tree

ROOT = Path(__file__).parents[1]
PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel, and nothing else but the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    copy_tree(ROOT, folder / "source")
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    subprocess.run([*pip, str(folder / "source")], check=True, timeout=PATIENCE_S)
    shutil.rmtree(folder / "source")
    place = folder / "environment"
    venv.EnvBuilder(with_pip=False).create(place)
    python = place / "bin" / "python"
    (wheel,) = wheels.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, timeout=PATIENCE_S)
    (own,) = (place / "lib").glob("python*/site-packages")
    # Ours come after the wheel's, so that its own package is the one that is found.
    (own / "libraries.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    return place / "bin"


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLC_", "PYTHON"))}
    return {**kept, "MLC_HOME": str(home), "MLC_FIRST_MODEL": "false", "PYTHONNOUSERSITE": "1"}


@pytest.fixture(scope="module")
def running(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app, started by its command in a folder with nothing in it; its address."""
    empty = tmp_path_factory.mktemp("empty")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(installed / "llm-cooperation"), "ui", "--no-browser", "--port", str(port)]
    with (empty / "log").open("wb") as log:
        app = subprocess.Popen(command, cwd=empty, env=environment(empty / "home"), stdout=log, stderr=log)
        try:
            url, ends = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
            while True:
                assert app.poll() is None and time.monotonic() < ends, (empty / "log").read_text(encoding="utf-8")
                try:
                    if httpx2.get(f"{url}/health", trust_env=False).status_code == 200:
                        break
                except httpx2.HTTPError:
                    time.sleep(0.5)
            yield url
        finally:
            app.terminate()
            app.wait(timeout=60)


def test_every_kind_of_file_in_the_package_goes_into_it() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    found = {path.suffix for path in (ROOT / "multi_llm_comparator").rglob("*") if path.is_file()}
    left_out = found - {Path(pattern).suffix for pattern in told["*"]} - {".py", ".pyc", ".typed", ""}
    assert not left_out


@pytest.mark.slow
@pytest.mark.nightly
def test_the_models_that_come_with_it_answer(running: str) -> None:
    with httpx2.Client(base_url=running, timeout=PATIENCE_S, trust_env=False) as http:
        names = {model["id"] for model in http.get("/v1/models").json()["data"]}
        assert {"demo-small", "demo-large", "demo-planner"} <= names
        asked = [{"role": "user", "content": "What is 12 + 30?"}]
        answer = http.post("/v1/chat/completions", json={"model": "demo-small", "messages": asked, "temperature": 0})
        assert "42" in answer.json()["choices"][0]["message"]["content"]


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.browser
def test_its_pages_open(running: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    chromium = find_chromium()
    assert chromium is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page()
        page.goto(f"{running}/models", timeout=PATIENCE_S * 1000)
        expect(page.get_by_text("demo-small").first).to_be_visible(timeout=120_000)
        browser.close()


@pytest.mark.slow
@pytest.mark.nightly
def test_commands_need_no_checkout(installed: Path, tmp_path: Path) -> None:
    for program in ("llm-cooperation", "llm-config", "llm-server"):
        told = subprocess.run(
            [str(installed / program), "--version"],
            cwd=tmp_path,
            env=environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        assert told.stdout.startswith(program)
