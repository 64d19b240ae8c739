"""What ``llm-cooperation hub`` does: models of the Hub, found and fetched."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from multi_llm_comparator.cli.beside import tell
from multi_llm_comparator.cli.consoles import messages, print_json, print_table, say
from multi_llm_comparator.cli.display import show_while
from multi_llm_comparator.core.exceptions import ConfigurationError, DownloadError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.private_files import use_ordinary_umask
from multi_llm_comparator.core.readable import seconds, size
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.fitting import as_model, fitting
from multi_llm_comparator.services.hub import HubChoice, HubClient, HubDownload, HubListing
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.starters import starters

_FITS = {"fits": "fits", "tight": "tight", "too_large": "too large for the memory", "no_disk": "no room on the disk"}


async def search(words: str, only_gguf: bool, as_json: bool) -> None:
    """Raises DownloadError: what the Hub or the network says."""
    hits = await _hub().search(words, only_gguf=only_gguf)
    if as_json:
        print_json([asdict(hit) for hit in hits])
        return
    rows = []
    for hit in hits:
        also = ", ".join(filter(None, ("GGUF" if hit.has_gguf else "", "gated" if hit.is_gated else "")))
        downloads = "" if hit.downloads is None else f"{hit.downloads:,}"
        rows.append((hit.repo_id, downloads, hit.licence, also))
    print_table(("repository", "downloads", "licence", ""), rows)
    messages.print("what one offers: llm-cooperation hub list OWNER/NAME")


async def list_choices(name: str, revision: str | None, as_json: bool) -> None:
    """Raises DownloadError."""
    listing = await _hub().look_up(name, revision)
    rows = [_about(listing, number) for number in range(len(listing.choices))]
    if as_json:
        print_json({"repository": listing.repo_id, "commit": listing.commit, "choices": rows, "notes": listing.notes})
        return
    cells = ((str(r["number"]), r["title"], r["type"], size(r["size_bytes"]), _FITS[r["fit"]]) for r in rows)
    print_table(("", "model", "type", "size", "here"), cells)
    for note in listing.notes:
        messages.print(note, style="dim")
    messages.print(f"fetch one: llm-cooperation hub get {listing.repo_id} NUMBER")


def _about(listing: HubListing, number: int) -> dict[str, Any]:
    choice = listing.choices[number]
    about = {"number": number + 1, "title": choice.title, "type": choice.kind.value, "size_bytes": choice.size_bytes}
    return {**about, "is_pickle": choice.is_pickle, **_fit(as_model(listing, number))}


def _fit(model: ModelInfo) -> dict[str, Any]:
    settings = get_settings()
    found = fitting(model, MemoryManager(settings.max_memory_gb, settings.memory_mode), settings)
    return {"fit": found.fit, "memory_bytes": found.estimate.total_bytes, "limit_bytes": found.limit_bytes}


async def get(name: str, wanted: str | None, revision: str | None, as_json: bool) -> None:
    """Fetch one; a workbench that runs finds it then.

    Raises:
        ConfigurationError: not exactly one of what is offered is meant.
        DownloadError: what the Hub, the network or the disk says.
    """
    use_ordinary_umask()
    hub = _hub()
    listing = await hub.look_up(name, revision)
    choice = _chosen(listing, wanted)
    if choice.is_pickle:
        messages.print(f"{choice.title} is pickled; it is loaded with weights alone", style="yellow")
    download = hub.start(listing, choice)
    try:
        await show_while(download.wait(), lambda: _line(download))
    except BaseException:
        await download.cancel()
        messages.print("what has arrived is kept; the same command goes on from there")
        raise
    progress = download.progress
    if progress.error is not None or progress.path is None:
        raise progress.error or DownloadError(f"the download of {choice.title!r} was cancelled")
    await tell(models=True)
    told = {"repository": listing.repo_id, "commit": listing.commit, "title": choice.title}
    say(f"fetched: {progress.path}", as_json, {**told, "path": str(progress.path), "size_bytes": choice.size_bytes})


def _chosen(listing: HubListing, wanted: str | None) -> HubChoice:
    """Raises ConfigurationError: not exactly one is meant."""
    choices = listing.choices
    if wanted is None:
        found = list(choices)
    elif wanted.isdigit() and 1 <= int(wanted) <= len(choices):
        return choices[int(wanted) - 1]
    else:
        found = [one for one in choices if wanted == one.title]
        found = found or [one for one in choices if wanted.casefold() in one.title.casefold()]
    if len(found) == 1:
        return found[0]
    offered = ", ".join(f"{number} {one.title}" for number, one in enumerate(choices, 1))
    meant = f"{wanted!r} means {len(found)} of them" if wanted else f"it offers {len(choices)} models"
    raise ConfigurationError(f"which one of {listing.repo_id!r}? {meant}: {offered}"[:2000])


def _line(download: HubDownload) -> str:
    progress = download.progress
    if progress.state == "checking":
        return f"{download.choice.title}: checking what arrived"
    speed = f", {size(progress.bytes_per_second)}/s" if progress.bytes_per_second else ""
    left = f", {seconds(progress.eta_s, 'en')} left" if progress.eta_s is not None else ""
    return f"{download.choice.title}: {size(progress.done_bytes)} of {size(progress.total_bytes)}{speed}{left}"


async def starter_list(as_json: bool) -> None:
    """Small models to begin with; sizes are about right."""
    rows: list[dict[str, Any]] = []
    for one in starters():
        fit = _fit(one.model)
        is_here = one.place(get_settings().models_dir).exists()
        known = {"repository": one.repo_id, "file": one.file, "size_bytes": one.size_bytes, "licence": one.licence}
        rows.append({**known, "parameters": one.parameters, "is_here": is_here, **fit})
    if as_json:
        print_json(rows)
        return
    cells = []
    for row in rows:
        here = "is here" if row["is_here"] else _FITS[row["fit"]]
        cells.append((row["repository"], row["file"], size(row["size_bytes"]), row["licence"], here))
    print_table(("repository", "file", "size", "licence", "here"), cells)
    messages.print("fetch one: llm-cooperation hub get REPOSITORY FILE")


def _hub() -> HubClient:
    return HubClient(get_settings().models_dir)
