"""Data sets that are named by their place on the Hub: fetched, so that the rest sees a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.hub import HubClient
from multi_llm_comparator.services.hub_datasets import fetch_dataset, named
from multi_llm_comparator.training.data.spec import HUB, DataSpec


async def fetched(spec: DataSpec, client: HubClient, home: Path) -> DataSpec:
    """The specification with the folder in place of the Hub's name; one that names no data set of the Hub as it is.

    Raises:
        DownloadError: see :func:`~services.hub_datasets.fetch_dataset`.
    """
    if not spec.source.startswith(HUB):
        return spec
    folder = await fetch_dataset(client, named(spec.source), home, patterns=spec.files)
    return spec.model_copy(update={"source": str(folder)})


def fetched_here(spec: DataSpec) -> DataSpec:
    """The same for a process without an event loop, such as a job's. Raises as :func:`fetched`."""
    if not spec.source.startswith(HUB):
        return spec
    settings = get_settings()
    return asyncio.run(fetched(spec, HubClient(settings.models_dir), settings.home))
