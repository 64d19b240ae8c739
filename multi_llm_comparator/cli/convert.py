"""``llm-cooperation convert``: a model in another format or quantization."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.conversion.convert import TARGETS, convert, suggested_out
from multi_llm_comparator.conversion.gguf_export import QUANTIZATIONS
from multi_llm_comparator.conversion.report import ConversionReport, Phase
from multi_llm_comparator.core.exceptions import InvalidParameterError, MultiLLMError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.private_files import use_ordinary_umask
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.evaluation.export_check import check_files
from multi_llm_comparator.headless import scanned_models
from multi_llm_comparator.services.scan.folder import scan_folder

_PHASES: dict[Phase, str] = {
    "reading": "reading the source",
    "writing": "writing weights",
    "checking": "comparing tokens with llama.cpp",
    "quantizing": "quantizing",
    "comparing": "comparing predictions",
}


def convert_model(
    source: str, out: Path | None, target: str | None, *, overwrite: bool, check: bool, as_json: bool
) -> None:
    """Convert a model: PyTorch to GGUF and back, GGUF to another quantization, an adapter merged into its base."""
    use_ordinary_umask()
    found, adapter, name = _found(source)
    wanted = target or _by_name(out)
    place = out or suggested_out(found, wanted, get_settings().models_dir, adapter=name)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Drawn when there is news: rich's own refreshing would be a thread.
    with Progress(*columns, console=messages, auto_refresh=False, transient=True) as bar:
        task = bar.add_task(_PHASES["reading"], total=1.0)

        def show(phase: Phase, share: float) -> None:
            bar.update(task, description=_PHASES[phase], completed=share, refresh=messages.is_terminal)

        report = convert(found, place, wanted, adapter=adapter, overwrite=overwrite, progress=show)
    is_checked = check and wanted.upper() in QUANTIZATIONS and (adapter is not None or found.is_dir())
    if not as_json:
        output.print(_summary(report))
    checked = _checked(_model_of(source, found), report.out) if is_checked else None
    if as_json:
        print_json({**report.to_dict(), "checked": checked})
    elif checked is not None:
        output.print(checked)


def _checked(reference: ModelInfo, made: Path) -> str:
    """What the predictions of a file that was made are worth, or why that is not known."""
    messages.print("comparing its predictions with the checkpoint's ...")
    try:
        return asyncio.run(check_files(reference, made)).sentence
    except MultiLLMError as exc:
        return f"not checked: {exc}"


def _model_of(source: str, path: Path) -> ModelInfo:
    """What a conversion began with, as a model that can be loaded."""
    if Path(source).expanduser().exists():
        name = path.resolve().name
        found = [one for one in scan_folder(path.parent, "source") if Path(one.path).resolve() == path.resolve()]
        return found[0] if found else ModelInfo("", name, str(path), ModelType.PYTORCH, 0)
    return scanned_models().get(source)


def _found(source: str) -> tuple[Path, Path | None, str]:
    """What is to be converted, and the adapter that is merged into it, with its name."""
    path = Path(source).expanduser()
    if path.exists():
        return path, None, ""
    model = scanned_models().get(source)
    if model.base is None:
        return Path(model.path), None, ""
    return Path(model.base.path), Path(model.path), model.name.removeprefix(f"{model.base.name}:")


def _by_name(out: Path | None) -> str:
    """The target that a name asks for: ``tiny-Q4_K_M.gguf`` that quantization, a name without ``.gguf`` PyTorch."""
    if out is not None and out.suffix != ".gguf":
        return "pytorch"
    named = [kind for kind in QUANTIZATIONS if out is not None and out.stem.upper().endswith(kind)]
    if not named:
        raise InvalidParameterError(f"say what to make with --to: {', '.join(TARGETS)}")
    return max(named, key=len)


def _summary(report: ConversionReport) -> str:
    lines = [f"{report.out}: {report.target}, {report.size_bytes / 1e6:.1f} MB, made in {report.seconds:.1f} s"]
    lines.append(f"tensors: {report.types_text}")
    if report.fallbacks:
        lines.append(f"{report.fallbacks_text}: their rows do not fill the blocks of {report.target}")
    return "\n".join(lines)
