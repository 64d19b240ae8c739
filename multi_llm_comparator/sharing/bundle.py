"""A run as a bundle: a ZIP file with all that it takes to read it anywhere, and to run it again.

``manifest.json`` says what was asked of exactly which models, with which parameters, seeds and versions, and has a hash
of each other file; ``run.json`` is the run's complete export; ``report.html`` is for people.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multi_llm_comparator.comparison.limits import MAX_UPLOAD_BYTES
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.voting.snapshot import VotingSnapshot

FORMAT = "multi-llm-comparator bundle"
VERSION = 1
MANIFEST, RUN, REPORT = "manifest.json", "run.json", "report.html"
MAX_BUNDLE_BYTES = 100 * 2**20
# A run is read in the app itself, as one that is imported is.
MAX_MANIFEST_BYTES, MAX_RUN_BYTES = 4 * 2**20, MAX_UPLOAD_BYTES
MAX_FILES = 16
_README = """This is a run of the Multi-LLM Comparator.
report.html opens in any browser. manifest.json says which models answered (with hashes of their weights), with which
parameters and seeds. run.json is the whole run. Open this file in the Multi-LLM Comparator to run it again.
"""

Name = Annotated[str, Field(max_length=1024)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class BundledModel(_Part):
    """Who answered, and how it was asked. ``fingerprint`` is a hash of its weights; None for what was not there."""

    target: Name
    name: Name
    fingerprint: Annotated[str, Field(max_length=200)] | None = None
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    config: dict[str, Any] = {}
    seeds: Annotated[tuple[int, ...], Field(max_length=100_000)] = ()


class Manifest(_Part):
    """What a bundle holds. ``files`` are SHA-256 hashes by name."""

    format: Literal["multi-llm-comparator bundle"]
    version: Literal[1]
    kind: Annotated[str, Field(max_length=40)]
    run_id: Annotated[str, Field(max_length=64)]
    title: Annotated[str, Field(max_length=1000)]
    exported_at: Annotated[float, Field(ge=0)]
    models: Annotated[tuple[BundledModel, ...], Field(max_length=1000)] = ()
    prompts: Annotated[tuple[str, ...], Field(max_length=10_000)] = ()
    versions: Annotated[dict[str, str], Field(max_length=50)] = {}
    files: Annotated[dict[str, str], Field(max_length=MAX_FILES)]


def make_bundle(snapshot: ComparisonSnapshot | VotingSnapshot, run_json: bytes, report_html: bytes) -> bytes:
    """The file.

    Args:
        snapshot: the run.
        run_json: its complete export.
        report_html: it as one page.
    """
    kind, models, prompts, versions = _told(snapshot)
    contents = {RUN: run_json, REPORT: report_html, "README.txt": _README.encode()}
    manifest = Manifest(
        format="multi-llm-comparator bundle",
        version=1,
        kind=kind,
        run_id=snapshot.id,
        title=snapshot.title[:1000],
        exported_at=now(),
        models=tuple(models),
        prompts=tuple(prompts),
        versions=versions,
        files={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json_text(manifest.model_dump(mode="json")))
        for name, content in contents.items():
            archive.writestr(name, content)
    return written.getvalue()


def _told(
    snapshot: ComparisonSnapshot | VotingSnapshot,
) -> tuple[str, list[BundledModel], Sequence[str], dict[str, str]]:
    if isinstance(snapshot, VotingSnapshot):
        return "vote", _of_votes(snapshot), [prompt.text for prompt in snapshot.spec.prompts], dict(snapshot.versions)
    answers = [answer for turn in snapshot.turns for answer in turn.answers.values()]
    models: dict[str, BundledModel] = {}
    for answer in answers:
        known = models.get(answer.pane_id)
        seed = answer.legs[0].seed
        models[answer.pane_id] = BundledModel(
            target=answer.target,
            name=answer.model_name,
            fingerprint=answer.model.fingerprint,
            size_bytes=answer.model.size_bytes,
            config=answer.config.to_dict(),
            seeds=(*(known.seeds if known else ()), *(() if seed is None else (seed,))),
        )
    versions = dict(answers[-1].versions) if answers else {}
    return "comparison", list(models.values()), [turn.prompt for turn in snapshot.turns], versions


def _of_votes(snapshot: VotingSnapshot) -> list[BundledModel]:
    models = []
    for one in snapshot.spec.contestants:
        facts = snapshot.facts.get(one.id)
        answers = [a for turn in snapshot.voted for a in turn.answers if a.contestant == one.id and a.seed is not None]
        models.append(
            BundledModel(
                target=one.target,
                name=facts.name if facts else one.name,
                fingerprint=facts.fingerprint if facts else None,
                size_bytes=facts.size_bytes if facts else None,
                config=one.config.to_dict(),
                seeds=tuple(answer.seed for answer in answers if answer.seed is not None),
            )
        )
    return models


# --- in ---------------------------------------------------------------------------------------------------------------


def read_bundle(data: bytes) -> tuple[Manifest, bytes]:
    """What a bundle says of itself, and its run's export.

    Raises:
        DocumentError: it is no bundle, larger than it may be, or a file in it is not the one that was put there.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise DocumentError(f"the file has {len(data)} bytes; at most {MAX_BUNDLE_BYTES} are read")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_FILES:
                raise DocumentError(f"the file holds more than {MAX_FILES} files; it is no bundle")
            manifest = _manifest(_content(archive, MANIFEST, MAX_MANIFEST_BYTES))
            run = _content(archive, RUN, MAX_RUN_BYTES)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zlib.error) as exc:
        raise DocumentError(f"the file is no bundle that can be read: {exc}") from exc
    if hashlib.sha256(run).hexdigest() != manifest.files.get(RUN):
        raise DocumentError(f"{RUN!r} in the file is not the one that was put there: it was changed or damaged")
    return manifest, run


def _content(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    """One file; never more than ``most_bytes`` are unpacked, whatever its header says."""
    try:
        member = archive.getinfo(name)
    except KeyError as exc:
        raise DocumentError(f"the file is no bundle: it has no {name!r}") from exc
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Others can ask for gigabytes of memory before they unpack anything.
        raise DocumentError(f"{name!r} in the file is packed in a way that bundles are not")
    with archive.open(member) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise DocumentError(f"{name!r} in the file has more than {most_bytes} bytes")
    return content


def _manifest(content: bytes) -> Manifest:
    raw = read_json(content, repr(MANIFEST), MAX_MANIFEST_BYTES)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DocumentError("the file is no bundle; choose one that Share made")
    if raw.get("version") != VERSION:
        raise DocumentError(f"the bundle has version {raw.get('version')!r}; this version reads {VERSION}")
    try:
        return Manifest.model_validate(raw)
    except ValidationError as exc:
        raise DocumentError(f"{MANIFEST!r} in the file is not what this version writes") from exc


def plain_json(data: bytes) -> Any:
    """The run's export, read within its bounds."""
    return read_json(data, repr(RUN), MAX_RUN_BYTES)
