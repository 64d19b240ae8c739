"""What ``llm-cooperation data`` does: data to tune with, looked at in a child process as on the page Tune."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.hub import HubClient
from multi_llm_comparator.training.data.data_process import DataProcess
from multi_llm_comparator.training.data.hub_data import fetched
from multi_llm_comparator.training.data.spec import DataSpec

LINE_CHARS, SHOWN_ROWS = 200, 3


@contextlib.asynccontextmanager
async def _process() -> AsyncIterator[DataProcess]:
    settings = get_settings()
    hub = HubClient(settings.models_dir)
    process = DataProcess(fetch=lambda spec: fetched(spec, hub, settings.home))
    try:
        yield process
    finally:
        await process.aclose()
        await hub.aclose()


async def look(source: str, as_json: bool) -> None:
    """Raises DocumentError, DownloadError: it cannot be read or had."""
    async with _process() as process:
        found = await process.inspect(checked(DataSpec, {"source": source}))
    if as_json:
        print_json(found)
        return
    detection = found["detection"]
    output.print(
        f"{detection['format']}: {detection['matched']} of the first {detection['looked_at']} rows fit, "
        f"{detection['usable']} can be learnt from"
    )
    output.print(f"fields: {', '.join(detection['columns'])}")
    for row in found["sample"][:SHOWN_ROWS]:
        output.print(cut_line(json_text(row), LINE_CHARS))
    for note in found["notes"]:
        messages.print(str(note), style="yellow")


async def clean(
    source: str, out: Path | None, model: Path | None, max_tokens: int, contamination: tuple[str, ...], as_json: bool
) -> None:
    """Raises DocumentError: the data cannot be read; ConfigurationError: the folder is there already."""
    if out is not None and out.exists():
        raise ConfigurationError(f"{str(out)!r} is there already; give a new folder")
    spec = checked(DataSpec, {"source": source, "contamination": contamination})
    with TemporaryDirectory(prefix="cleaned-") as spare:
        folder = Path(spare) if out is None else out
        folder.mkdir(parents=True, exist_ok=True)
        async with _process() as process:
            model_path = None if model is None else str(model)
            report = await process.clean(spec, folder, model_path=model_path, max_tokens=max_tokens)
    if as_json:
        print_json({**report, "folder": None if out is None else str(out)})
        return
    _tell(report)
    if out is not None:
        messages.print(f"what is left is in {out}")


def _tell(report: dict[str, Any]) -> None:
    kept = f"{report['train']} to learn from, {report['validation']} to measure with"
    output.print(f"{report['read']} rows read, {report['left_out']} left out; {kept}")
    for rule, count in report["rules"].items():
        counts = {name: value for name, value in count.items() if isinstance(value, int) and value}
        if counts:
            output.print(f"{rule}: {', '.join(f'{name} {value}' for name, value in counts.items())}")
