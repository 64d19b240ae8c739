"""Converting a model: choose what it is to become, see what that takes, watch it being made, stop it."""

from __future__ import annotations

import shutil
from pathlib import Path

import streamlit as st

from multi_llm_comparator.conversion.convert import ADAPTER, possible_targets, suggested_out
from multi_llm_comparator.conversion.gguf_export import QUANTIZATIONS
from multi_llm_comparator.conversion.gguf_import import DTYPES
from multi_llm_comparator.conversion.jobs import ConversionJob
from multi_llm_comparator.conversion.sizes import converted_size
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.evaluation.export_check import read_check
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, perform, refusal, show_notices
from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.workbench import get_workbench

REFRESH_S = 0.7
_ASKED = "models_convert_asked"
_PLAIN = ("F32", "F16", "BF16")
# What most people want first: small, and exact enough.
_FIRST = ("Q4_K_M", "bfloat16")


def ask_to_convert(model_id: str) -> None:
    st.session_state[_ASKED] = model_id


def draw_convert_button(model: ModelInfo) -> None:
    """A button for what can be converted; for the rest it stands there switched off, so that rows line up."""
    quiet_button(
        "convert.title",
        ask_to_convert,
        model.id,
        icon="swap_horiz",
        key=f"icon_models_convert_{model.id}",
        help=None if possible_targets(model) else t("convert.impossible"),
        disabled=not possible_targets(model),
    )


def draw_convert_dialog() -> None:
    """The dialog about converting one model, if one was asked for."""
    model = get_workbench().models.get_model_by_id(st.session_state.get(_ASKED, ""))
    if model is None or not possible_targets(model):
        return

    @st.dialog(tm("convert.heading", name=model.name), on_dismiss=_look_away)
    def dialog() -> None:
        _draw_choice(model)

    dialog()


def _look_away() -> None:
    st.session_state.pop(_ASKED, None)


def _draw_choice(model: ModelInfo) -> None:
    targets = possible_targets(model)
    first = next((name for name in _FIRST if name in targets), targets[0])
    target = st.selectbox(
        t("convert.target"),
        targets,
        index=targets.index(first),
        format_func=_target_name,
        key=f"models_convert_target_{model.id}",
    )
    # Of an adapter the base is converted, with the adapter in it.
    source, adapter = Path(model.loaded_as.path), model.name.removeprefix(f"{model.loaded_as.name}:")
    models_dir, added = get_workbench().settings.models_dir, adapter if model.base is not None else ""
    out = attempt(lambda: suggested_out(source, target, models_dir, adapter=added))
    needed = 2 * model.size if target == ADAPTER else attempt(lambda: converted_size(source, target))
    show_notices()
    if out is None or needed is None:
        return
    free = _free_bytes(out)
    st.caption(tm("convert.takes", path=out, size=say.size(needed), free=say.size(free)))
    for note in _notes(model, target):
        st.caption(plain(note))
    is_taken, is_too_large = out.exists(), needed > free
    if is_taken:
        st.warning(tm("convert.taken", path=out), icon=":material/warning:")
    if is_too_large:
        st.error(t("convert.too_large"), icon=":material/error:")
    is_checked = _is_checkable(model, target) and st.toggle(
        t("convert.check"), True, key=f"models_convert_check_{model.id}", help=t("convert.check_why")
    )
    if main_button(
        "convert.start", icon="swap_horiz", key=f"models_convert_start_{model.id}", disabled=is_taken or is_too_large
    ):
        perform(_start(model, out, target, is_checked=is_checked))
        _look_away()
        st.rerun()


def _is_checkable(model: ModelInfo, target: str) -> bool:
    """Whether there is something to compare: a file that llama.cpp reads, and the weights that it is made from."""
    return target in QUANTIZATIONS and (model.base is not None or model.model_type is ModelType.PYTORCH)


async def _start(model: ModelInfo, out: Path, target: str, *, is_checked: bool) -> None:
    adapter = Path(model.path) if model.base is not None else None
    source = Path(model.loaded_as.path)
    get_workbench().conversions.start(source, out, target, adapter=adapter, is_checked=is_checked)


def _target_name(target: str) -> str:
    if target == ADAPTER:
        return t("convert.adapter")
    return f"PyTorch, {target}" if target in DTYPES else f"GGUF, {target}"


def _free_bytes(out: Path) -> int:
    return shutil.disk_usage(next(place for place in out.absolute().parents if place.exists())).free


def _notes(model: ModelInfo, target: str) -> list[str]:
    """What one should know before: what is lost already, and what llama.cpp will do otherwise than asked."""
    notes = []
    known, width = model.config.get("quantization"), model.config.get("hidden_size")
    if model.model_type is ModelType.GGUF and known not in _PLAIN:
        notes.append(t("convert.lossy", quantization=known))
    if "_K" in target and isinstance(width, int) and width % 256:
        notes.append(t("convert.narrow", width=width, target=target))
    return notes


def draw_conversions() -> None:
    """Conversions at work, and those that ended since they were last cleared away."""
    conversions = get_workbench().conversions
    jobs, running = conversions.jobs, conversions.running
    if not jobs:
        return

    @st.fragment(run_every=REFRESH_S if running else None)
    def live() -> None:
        show_notices()
        for job in jobs:
            _draw_job(job)
        if any(job.progress.is_over for job in running):
            st.rerun()

    live()


def _draw_job(job: ConversionJob) -> None:
    progress = job.progress
    name = f"{job.source.name} → {job.out.name}"
    with (
        st.container(border=True, key=f"models_conversion_{job.id}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        if progress.state == "failed" and progress.error is not None:
            st.error(tm("convert.failed", name=name, why=refusal(progress.error)), icon=":material/error:")
        elif progress.is_over:
            st.markdown(_outcome(job, name), width="stretch")
        else:
            st.progress(min(1.0, progress.share), text=plain(f"{name} · {_words(job)}"))
        if not progress.is_over and button("convert.stop", icon="stop", key=f"models_stop_{job.id}"):
            perform(job.cancel())
            st.rerun()
        if progress.is_over and quiet_button("convert.forget", icon="close", key=f"icon_models_forget_{job.id}"):
            get_workbench().conversions.forget(job)
            st.rerun()


def _outcome(job: ConversionJob, name: str) -> str:
    report = job.progress.report
    if report is None:
        return tm("convert.cancelled", name=name)
    said = tm("convert.done", name=job.out.name, size=say.size(report.size_bytes), duration=say.seconds(report.seconds))
    if report.fallbacks:
        said += "  \n" + tm("convert.fell_back", target=report.target, types=report.types_text)
    if job.progress.unchecked:
        said += "  \n" + tm("convert.unchecked", why=job.progress.unchecked)
    elif check := read_check(job.out):
        figures = {"agreed": f"{check.top1_agreement:.1%}", "kl": f"{check.mean_kl:.2g}"}
        said += "  \n" + tm("convert.checked", reference=check.reference, **figures)
    return said


def _words(job: ConversionJob) -> str:
    progress = job.progress
    if progress.state == "waiting":
        return t("convert.waiting")
    phase = t(f"convert.phase_{progress.phase}")
    return phase if progress.eta_s is None else t("convert.left", phase=phase, left=say.seconds(progress.eta_s))
