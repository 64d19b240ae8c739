"""What tunes one pane: sampling, prompt, loading, presets. One click away, never in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from multi_llm_comparator.comparison.pane import Pane, differing
from multi_llm_comparator.core.config import KV_TYPES, MAX_GPU_LAYERS, QUANTIZATIONS, TORCH_DTYPES, ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.ui.compare.answer_form import draw_form
from multi_llm_comparator.ui.compare.more_sampling import draw_more_sampling
from multi_llm_comparator.ui.compare.parameter_fields import Fields
from multi_llm_comparator.ui.compare.presets import draw_presets
from multi_llm_comparator.ui.compare.state import draft_panes, pane_choices, share_pane
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.choices import Choice
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tm

MAX_SYSTEM_PROMPT_CHARS = 20_000
MAX_STOPS = 16
# Below this a temperature is not allowed, other than 0 itself.
LOWEST_TEMPERATURE = 0.1
# More than twice an adapter is seldom language any more, and less than none the opposite of what it learnt.
LEAST_SCALE, MOST_SCALE = 0.0, 2.0


@st.fragment
def draw_parameters(pane_id: str, choice: Choice | None) -> None:
    """The form. Every change takes effect at once in the draft; nothing has to be saved."""
    model = choice.model if choice else None
    pane = next((pane for pane in draft_panes() if pane.id == pane_id), None)
    if pane is None:
        return
    # A preset or the recommended values replace everything: new keys make the widgets take them.
    key = f"compare_p_{pane_id}_{pane.target}_{st.session_state.get(_generation(pane_id), 0)}"
    fields = Fields(pane.config, key)
    with st.container(key=f"popover_form_{pane_id}"):
        # Filled last: it follows what is set beside it.
        switch = st.container()
        sampling, prompt, loading, presets = st.tabs(
            [t("param.sampling"), t("param.prompt"), t("param.loading"), t("param.presets")]
        )
        with sampling:
            changes = _draw_sampling(fields) | draw_more_sampling(fields)
            if model is not None and model.base is not None:
                changes |= _draw_adapter(pane.config, model, key)
        with prompt:
            changes |= _draw_prompt(pane.config, key)
            constraint = draw_form(pane.constraint, key)
        with loading:
            if choice is not None and choice.kind == "remote":
                st.caption(t("param.loading_remote"))
            else:
                changes |= _draw_loading(fields, model)
        with presets:
            by_hand = pane.set_by_hand(recommended(model))
            draw_presets(pane, lambda config, chosen: take_config(pane_id, config, by_hand | chosen), key)
        pane = _keep(pane, changes, recommended(model), constraint)
        with switch:
            _draw_reproducible(pane, choice, key)
        if quiet_button("param.reset", icon="restart_alt", key=f"{key}_reset"):
            take_config(pane_id, recommended(model), frozenset())
            st.rerun(scope="fragment")


def take_config(pane_id: str, config: ModelConfig, by_hand: frozenset[str]) -> None:
    """Put a whole set of parameters into a pane, ``by_hand`` of which the reader chose."""
    pane = next(pane for pane in draft_panes() if pane.id == pane_id)
    choice = pane_choices().get(pane.target)
    if choice is None or choice.model is None or choice.model.base is None:
        # A preset may have been made for an adapter.
        config = replace(config, adapter_scale=ModelConfig.adapter_scale)
    share_pane(pane.with_parameters(config, by_hand))
    st.session_state[_generation(pane_id)] = st.session_state.get(_generation(pane_id), 0) + 1


def _generation(pane_id: str) -> str:
    return f"compare_generation_{pane_id}"


def _keep(pane: Pane, changes: dict[str, Any], recommended: ModelConfig, constraint: Constraint | None) -> Pane:
    """Take over what was changed in the form: the reader chose that."""
    config = replace(pane.config, **changes)
    try:
        config.validate()
    except InvalidParameterError as exc:
        st.warning(plain(exc))
        return pane
    chosen = differing(config, pane.config)
    if chosen or constraint != pane.constraint:
        pane = pane.with_parameters(config, pane.set_by_hand(recommended) | chosen)
        pane = replace(pane, constraint=constraint)
        share_pane(pane)
    return pane


def _draw_reproducible(pane: Pane, choice: Choice | None, key: str) -> None:
    """The switch, and what cannot be promised where the model is not this machine's own."""
    key = f"{key}_reproducible"

    def switch() -> None:
        asked = next(other for other in draft_panes() if other.id == pane.id)
        _keep(
            asked,
            {"reproducible": st.session_state[key]},
            recommended(choice.model if choice else None),
            asked.constraint,
        )

    # It moves by itself with temperature and seed, also while it is on the page.
    st.session_state[key] = pane.config.reproducible
    st.toggle(t("param.reproducible"), key=key, help=t("param.reproducible_why"), on_change=switch)
    if choice is not None and choice.kind != "local":
        st.caption(t("param.reproducible_remote"))
    elif choice is not None and choice.model is not None and choice.model.model_type is ModelType.CUSTOM:
        st.caption(t("param.reproducible_custom"))


def _draw_sampling(fields: Fields) -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        choice = _draw_choice(fields)
    with right:
        return choice | _draw_limits(fields)


def _draw_choice(fields: Fields) -> dict[str, Any]:
    """How the next token is chosen."""
    temperature = fields.scale("temperature", 0.0, 2.0, 0.05)
    return {
        "temperature": temperature if temperature == 0 else max(temperature, LOWEST_TEMPERATURE),
        "top_p": fields.scale("top_p", 0.0, 1.0, 0.01),
        "top_k": fields.number("top_k", 0, 100_000),
        "seed": fields.number_or_none("seed", 0, 2**32 - 1, t("param.seed_random")),
    }


def _draw_limits(fields: Fields) -> dict[str, Any]:
    """How long the answer may be, and how much it may repeat."""
    limit = get_settings().max_tokens_limit
    return {
        "max_tokens": fields.number("max_tokens", 1, limit, 64, limit=say.count(limit)),
        "repeat_penalty": fields.scale("repeat_penalty", 0.1, 2.0, 0.05, "repeat"),
        "presence_penalty": fields.scale("presence_penalty", -2.0, 2.0, 0.1, "presence"),
    }


def _draw_adapter(config: ModelConfig, model: ModelInfo, key: str) -> dict[str, Any]:
    """How much of the adapter is added to its base."""
    base = model.loaded_as.name
    scale = st.slider(
        t("param.adapter_scale"),
        LEAST_SCALE,
        MOST_SCALE,
        min(MOST_SCALE, max(LEAST_SCALE, float(config.adapter_scale))),
        0.05,
        key=f"{key}_adapter_scale",
        help=tm("param.adapter_scale_why", base=base),
    )
    return {"adapter_scale": scale}


def _draw_prompt(config: ModelConfig, key: str) -> dict[str, Any]:
    system_prompt = st.text_area(
        t("param.system_prompt"),
        config.system_prompt,
        key=f"{key}_system",
        placeholder=t("param.system_prompt_example"),
        max_chars=MAX_SYSTEM_PROMPT_CHARS,
        height=150,
    )
    stops = [as_typed(stop) for stop in config.stop]
    chosen = st.multiselect(
        t("param.stop"),
        stops,
        stops,
        key=f"{key}_stop",
        accept_new_options=True,
        max_selections=MAX_STOPS,
        placeholder=t("param.stop_example"),
        help=t("param.stop_why"),
    )
    return {"system_prompt": system_prompt or "", "stop": tuple(from_typed(stop) for stop in chosen if stop)}


def as_typed(stop: str) -> str:
    r"""A stop text as it is shown for editing: line ends and tabs as ``\n`` and ``\t``."""
    return stop.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def from_typed(shown: str) -> str:
    r"""What was typed, with ``\n``, ``\t`` and ``\\`` meaning what they mean in code."""
    escapes = {"n": "\n", "t": "\t", "\\": "\\"}
    pieces: list[str] = []
    at = 0
    while at < len(shown):
        if shown[at] == "\\" and shown[at + 1 : at + 2] in escapes:
            pieces.append(escapes[shown[at + 1]])
            at += 2
        else:
            pieces.append(shown[at])
            at += 1
    return "".join(pieces)


def _draw_loading(fields: Fields, model: ModelInfo | None) -> dict[str, Any]:
    """What belongs to the loaded model: a change here loads it anew with the next prompt."""
    config, key = fields.config, fields.key
    st.caption(t("param.loading_why"))
    trained = (model.config.get("context_length") if model else None) or 0
    longest = say.count(trained) if trained else say.NOTHING
    changes: dict[str, Any] = {
        "n_ctx": fields.number("n_ctx", 16, 10_000_000, 256, trained=longest),
        "use_gpu": st.toggle(t("param.use_gpu"), config.use_gpu, key=f"{key}_use_gpu", help=t("param.use_gpu_why")),
    }
    if trained > changes["n_ctx"]:
        quiet_button(
            "param.n_ctx_all",
            lambda: st.session_state.update({f"{key}_n_ctx": trained}),
            icon="open_in_full",
            key=f"{key}_n_ctx_all",
            values={"trained": say.count(trained)},
        )
    changes["n_threads"] = fields.number_or_none("n_threads", 1, 1024, t("param.n_threads_auto"))
    if model is not None and model.model_type is ModelType.PYTORCH:
        changes |= _draw_pytorch(config, key)
    if model is not None and model.model_type is ModelType.GGUF:
        changes |= _draw_gguf(fields)
    return changes


def _draw_gguf(fields: Fields) -> dict[str, Any]:
    config, key = fields.config, fields.key
    left, right = st.columns(2)
    with left:
        layers = fields.number_or_none(
            "gpu_layers", 0, MAX_GPU_LAYERS, t("param.gpu_layers_all"), disabled=not config.use_gpu
        )
    kv_type = right.selectbox(
        t("param.kv_type"),
        KV_TYPES,
        KV_TYPES.index(config.kv_type),
        key=f"{key}_kv_type",
        help=t("param.kv_type_why"),
    )
    return {"gpu_layers": layers, "kv_type": kv_type}


def _draw_pytorch(config: ModelConfig, key: str) -> dict[str, Any]:
    left, right = st.columns(2)
    quantization = left.selectbox(
        t("param.quantization"),
        QUANTIZATIONS,
        QUANTIZATIONS.index(config.quantization),
        key=f"{key}_quantization",
        format_func=lambda value: t(f"param.quantization_{value}"),
        help=t("param.quantization_why"),
    )
    dtype = right.selectbox(
        t("param.dtype"),
        TORCH_DTYPES,
        TORCH_DTYPES.index(config.torch_dtype),
        key=f"{key}_dtype",
        help=t("param.dtype_why"),
    )
    trust = st.toggle(t("param.trust"), config.trust_remote_code, key=f"{key}_trust", help=t("param.trust_why"))
    if trust:
        st.warning(t("param.trust_warning"), icon=":material/gpp_maybe:")
    return {"quantization": quantization, "torch_dtype": dtype, "trust_remote_code": trust}
