"""A small monitor in every page's corner: processors, memory, GPU, models in memory with their requests.

The browser asks for the figures itself, over plain HTTP and only while its page is visible: no script runs for them. On
a page that must not tell which models are at work (blind votes) it does not ask for their names.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from multi_llm_comparator.core.callers import current_caller
from multi_llm_comparator.services.loaded_model import LoadedModel
from multi_llm_comparator.services.machine_use import machine_use
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import model_tone
from multi_llm_comparator.workbench import get_workbench

MONITOR_PATH = "/assets/monitor.json"
REFRESH_MS = 2000
MAX_MODELS = 12
_GO = "app_monitor_go"
_WORDS = (
    "cpu",
    "cpus",
    "memory",
    "gpu",
    "models",
    "models_one",
    "requests",
    "requests_one",
    "loading",
    "idle",
    "more",
    "open",
    "fold",
    "unfold",
    "away",
)
_HTML = (
    '<section hidden><div class="panel" hidden></div><button class="facts" type="button"></button>'
    '<button class="fold" type="button"><i></i><i></i></button></section>'
)
_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "mlc_monitor",
    html=_HTML,
    css=(_FOLDER / "monitor.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "monitor.js").read_text(encoding="utf-8"),
)


def draw_monitor(*, tells_models: bool) -> bool:
    """Draw it; whether somebody wants to see the models.

    Args:
        tells_models: whether the page may say which models are in memory.
    """
    _component(
        data={
            "path": MONITOR_PATH + ("?models=1" if tells_models else ""),
            "every_ms": REFRESH_MS,
            "say": {word: t(f"monitor.{word}") for word in _WORDS},
        },
        key="app_monitor",
        on_models_change=_note,
        width="content",
        height="content",
    )
    return bool(st.session_state.pop(_GO, False))


def _note() -> None:
    st.session_state[_GO] = True


def monitor_routes() -> list[Route]:
    # Not a coroutine: the server calls it in a thread, for reading takes its time.
    return [Route(MONITOR_PATH, _told)]


def _told(request: Request) -> Response:
    loaded = get_workbench().engine.loaded_models()
    told: dict[str, Any] = {
        "machine": asdict(machine_use()),
        "loaded": len(loaded),
        "requests": sum(model.active for model in loaded),
    }
    if request.query_params.get("models") == "1":
        # Run in a thread, for whom the gate let in: a key that may ask some models hears of no others.
        may_ask = current_caller().limits.may_ask
        told["models"] = [_model(model) for model in loaded if may_ask(model.name)][:MAX_MODELS]
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


def _model(model: LoadedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "tone": model_tone(model.model_id).css,
        "requests": model.active,
        "loading": model.state == "loading",
        "bytes": model.memory_bytes or model.estimated_bytes,
    }
