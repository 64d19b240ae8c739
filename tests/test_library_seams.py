"""What the project uses of a library beyond its documented interface, each at one place, by name.

When one of these fails after an upgrade, the library has changed there: go to the file that the test names. What the
PyTorch engine needs of torch and transformers is in ``tests/inferencers``.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import tree_of

ROOT = Path(__file__).parents[1]
PACKAGE = "multi_llm_comparator"


def found(dotted: str) -> Any:
    """What ``module:name.name`` names; an AttributeError or ImportError says what is gone."""
    module, _, names = dotted.partition(":")
    place: Any = import_module(module)
    for name in filter(None, names.split(".")):
        place = getattr(place, name)
    return place


def takes(dotted: str, *arguments: str) -> None:
    """That a function or class takes these arguments by name, and does not merely swallow them."""
    parameters = inspect.signature(found(dotted)).parameters
    assert [name for name in arguments if name not in parameters] == [], f"{dotted} lacks these arguments"


def has(dotted: str, *names: str) -> None:
    place = found(dotted)
    assert [name for name in names if not hasattr(place, name)] == [], f"{dotted} lacks these names"


def streamlit_serves_routes_beside_pages() -> None:
    takes("streamlit:App", "script_path", "lifespan", "routes", "middleware", "on_script_error")
    takes("streamlit:App.run", "config")


def streamlit_knows_every_option_we_set() -> None:
    known = found("streamlit.config:get_config_options")()
    ours = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    named = [f"{section}.{name}" for section, values in ours.items() for name in _leaves(values)]
    assert {"runner.postScriptGC", "server.allowedHosts"} <= set(named)
    assert [name for name in named if name not in known] == [], "Streamlit would ignore these"


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def streamlit_keeps_uploads_by_session() -> None:
    has("streamlit.runtime:Runtime", "instance", "uploaded_file_mgr")
    manager = found("streamlit.runtime.memory_uploaded_file_manager:MemoryUploadedFileManager")("/upload")
    assert manager.file_storage == {}
    source = inspect.getsource(found("streamlit.web.server.starlette.starlette_routes:create_upload_routes"))
    assert "/_stcore/upload_file/{session_id}/{file_id}" in source


def streamlit_components_take_html_css_and_js() -> None:
    takes("streamlit:components.v2.component", "name", "html", "css", "js", "isolate_styles")


def streamlit_tells_of_the_reader() -> None:
    has("streamlit.runtime.context:ContextProxy", "theme", "timezone", "locale")


def streamlit_draws_what_the_style_sheet_names() -> None:
    css = (ROOT / PACKAGE / "ui" / "kit" / "workbench.css").read_text(encoding="utf-8")
    named = set(re.findall(r'data-testid="(\w+)"', css))
    scripts = (Path(str(files("streamlit"))) / "static" / "static" / "js").glob("*.js")
    drawn = set(re.findall(r"\bst[A-Z]\w+", "\n".join(path.read_text(encoding="utf-8") for path in scripts)))
    assert named, "the style sheet names nothing of Streamlit's any more: drop this seam"
    assert named - drawn == set(), "Streamlit's pages have no such parts"


def streamlit_draws_diagrams_of_one_language() -> None:
    """Of Markdown's fences: ``ui/kit/escaping.py`` keeps it from doing so, and would have to know others by name."""
    scripts = (Path(str(files("streamlit"))) / "static" / "static" / "js").glob("StreamlitMarkdown.*.js")
    (source,) = [path.read_text(encoding="utf-8") for path in scripts]
    # The other one is about elements of HTML.
    assert set(re.findall(r"\.toLowerCase\(\)===`(\w+)`", source)) - {"svg"} == {"mermaid"}


def plotly_brings_its_library_for_browsers() -> None:
    assert (Path(str(files("plotly"))) / "package_data" / "plotly.min.js").stat().st_size > 1_000_000


def diskcache_reads_every_entry_through_one_method() -> None:
    assert isinstance(found("diskcache.core:MODE_PICKLE"), int)
    assert list(inspect.signature(found("diskcache:JSONDisk.fetch")).parameters) == [
        "self",
        "mode",
        "filename",
        "value",
        "read",
    ]
    source = inspect.getsource(found("diskcache:Cache"))
    assert "pickle.loads" not in source, "an entry would be unpickled past our fetch"


def hugging_face_gives_its_client_headers_and_errors() -> None:
    has("huggingface_hub.utils", "build_hf_headers", "hf_raise_for_status")
    has("huggingface_hub.constants", "ENDPOINT")
    has("huggingface_hub.errors", "GatedRepoError", "RepositoryNotFoundError", "RevisionNotFoundError")
    has("huggingface_hub.errors", "OfflineModeIsEnabled", "LocalEntryNotFoundError", "EntryNotFoundError")
    client = found("huggingface_hub:get_session")()
    assert isinstance(client, found("httpx2:Client")), f"downloads stream through httpx2, not {type(client)}"


def openai_takes_our_http_client() -> None:
    takes("openai:AsyncOpenAI", "base_url", "api_key", "http_client", "max_retries", "timeout")
    client = found("openai:AsyncOpenAI")(base_url="http://127.0.0.1:9", api_key="none")
    assert isinstance(client._client, found("httpx2:AsyncClient")), "it would refuse a client of httpx2"


def httpx_streams_can_be_replaced() -> None:
    has("httpx2:AsyncByteStream", "__aiter__", "aclose")
    assert found("httpx2:Response")(200, stream=found("httpx2:ByteStream")(b"")).stream is not None


def trl_leaves_rows_of_tokens_alone() -> None:
    takes("trl:SFTTrainer", "model", "args", "data_collator", "train_dataset", "processing_class", "callbacks")
    takes("trl:SFTConfig", "dataset_kwargs", "max_length", "logging_nan_inf_filter", "use_cpu", "save_strategy")
    assert "skip_prepare_dataset" in inspect.getsource(found("trl:SFTTrainer"))


def trl_can_be_kept_to_one_device(tmp_path: Path) -> None:
    arguments = found("trl:SFTConfig")(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    arguments._n_gpu = 1
    assert arguments.n_gpu == 1, "the number of devices is kept elsewhere: training would be spread over all GPUs"


def trainer_asks_callbacks_at_each_step() -> None:
    callback = found("transformers:TrainerCallback")
    for name in ("on_train_begin", "on_log", "on_step_end", "on_save"):
        assert list(inspect.signature(getattr(callback, name)).parameters)[1:4] == ["args", "state", "control"], name
    has("transformers:TrainerControl", "should_training_stop", "should_save")
    has("transformers:TrainerState", "global_step", "max_steps", "log_history")
    has("trl:SFTTrainer", "remove_callback")


def peft_puts_adapters_beside_every_linear_layer() -> None:
    assert found("peft.utils.constants:INCLUDE_LINEAR_LAYERS_SHORTHAND") == "all-linear"
    takes("peft.tuners.lora:LoraModel.merge_and_unload", "safe_merge")


def layers_that_compute_again_are_of_one_class() -> None:
    again = found("transformers.modeling_layers:GradientCheckpointingLayer")
    assert issubclass(found("transformers.models.llama.modeling_llama:LlamaDecoderLayer"), again)


def llguidance_masks_tokens() -> None:
    has("llguidance:LLMatcher", "is_stopped", "is_error", "get_error", "consume_token", "compute_logit_bias")
    has("llguidance:LLMatcher", "grammar_from_lark", "grammar_from_regex", "grammar_from_json_schema")
    has("llguidance:LLMatcher", "compute_ff_tokens", "deep_copy")
    has("llguidance:LLTokenizer", "from_llamacpp", "decode_bytes", "general_slices")
    takes = inspect.signature(found("llguidance.hf:from_tokenizer")).parameters
    assert list(takes)[1:] == ["n_vocab", "eos_token", "slices"]


def gguf_names_tensors_and_types() -> None:
    assert found("gguf.constants:GGML_QUANT_SIZES")[found("gguf:GGMLQuantizationType").Q4_0] == (32, 18)
    has("gguf.constants:LlamaFileType", "MOSTLY_Q4_0", "MOSTLY_Q8_0", "ALL_F32")
    has("gguf", "MODEL_ARCH", "MODEL_ARCH_NAMES", "get_tensor_name_map", "size_label")
    assert callable(found("gguf.quants:quantize"))


def command_lines_explain_what_was_typed_wrong() -> None:
    import typer

    app = typer.Typer()
    app.command()(lambda: None)
    with pytest.raises(Exception, match="no-such-option") as caught:
        app(["--no-such-option"], standalone_mode=False)
    assert callable(caught.value.show) and caught.value.exit_code == 2  # type: ignore[attr-defined]


def prices_come_with_the_package() -> None:
    takes("genai_prices:calc_price", "usage", "model_ref", "provider_id", "provider_api_url")


def alembic_uses_the_connection_it_is_given() -> None:
    assert found("alembic.config:Config")().attributes == {}


def watching_wakes_up_without_a_change() -> None:
    takes("watchfiles:awatch", "debounce", "step", "recursive", "rust_timeout", "yield_on_timeout")


SEAMS: dict[Callable[..., None], tuple[str, str]] = {
    streamlit_serves_routes_beside_pages: ("streamlit", "app.py"),
    streamlit_knows_every_option_we_set: ("streamlit", ".streamlit/config.toml"),
    streamlit_keeps_uploads_by_session: ("streamlit", f"{PACKAGE}/ui/kit/uploads.py"),
    streamlit_components_take_html_css_and_js: ("streamlit", f"{PACKAGE}/ui/kit/live_chart.py"),
    streamlit_tells_of_the_reader: ("streamlit", f"{PACKAGE}/ui/kit/theme.py"),
    streamlit_draws_diagrams_of_one_language: ("streamlit", f"{PACKAGE}/ui/kit/escaping.py"),
    streamlit_draws_what_the_style_sheet_names: ("streamlit", f"{PACKAGE}/ui/kit/workbench.css"),
    plotly_brings_its_library_for_browsers: ("plotly", f"{PACKAGE}/ui/kit/assets.py"),
    diskcache_reads_every_entry_through_one_method: ("diskcache", f"{PACKAGE}/groups/json_disk.py"),
    hugging_face_gives_its_client_headers_and_errors: ("huggingface_hub", f"{PACKAGE}/services/hub_worker.py"),
    openai_takes_our_http_client: ("openai", f"{PACKAGE}/inferencers/openai_api.py"),
    httpx_streams_can_be_replaced: ("httpx2", f"{PACKAGE}/inferencers/openai_api.py"),
    trl_leaves_rows_of_tokens_alone: ("trl", f"{PACKAGE}/training/tuning_loop.py"),
    trl_can_be_kept_to_one_device: ("trl", f"{PACKAGE}/training/tuning_loop.py"),
    trainer_asks_callbacks_at_each_step: ("transformers", f"{PACKAGE}/training/tuning_loop.py"),
    peft_puts_adapters_beside_every_linear_layer: ("peft", f"{PACKAGE}/training/tuning_loop.py"),
    layers_that_compute_again_are_of_one_class: ("transformers", f"{PACKAGE}/training/tuning_loop.py"),
    llguidance_masks_tokens: ("llguidance", f"{PACKAGE}/inferencers/constraints.py"),
    gguf_names_tensors_and_types: ("gguf", f"{PACKAGE}/services/scan/gguf_header.py"),
    command_lines_explain_what_was_typed_wrong: ("typer", f"{PACKAGE}/core/command_end.py"),
    prices_come_with_the_package: ("genai-prices", f"{PACKAGE}/groups/pricing.py"),
    alembic_uses_the_connection_it_is_given: ("alembic", f"{PACKAGE}/tracking/database.py"),
    watching_wakes_up_without_a_change: ("watchfiles", f"{PACKAGE}/groups/task_group_manager.py"),
}


@pytest.mark.parametrize("check", SEAMS, ids=lambda check: check.__name__)
def test_the_library_still_is_as_one_place_expects_it(check: Callable[..., None], tmp_path: Path) -> None:
    library, place = SEAMS[check]
    assert (ROOT / place).exists(), "the seam has moved: name its new place"
    try:
        check(*([tmp_path] if inspect.signature(check).parameters else []))
    except Exception as exc:
        pytest.fail(f"{library} {version(library)} is not as {place} expects it: {exc}")


# Fields of llama.cpp's parameter structs, which appear and go with its versions, and the fields of its batch.
LLAMA_FIELDS = {
    "llama_model_params": {"use_extra_bufts", "n_gpu_layers", "load_mode"},
    "llama_context_params": {
        *("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "kv_unified", "n_threads", "n_threads_batch"),
        *("offload_kqv", "op_offload", "no_perf", "flash_attn_type", "type_k", "type_v", "embeddings", "pooling_type"),
    },
    "llama_batch": {"n_tokens", "token", "pos", "n_seq_id", "seq_id", "logits"},
}


@pytest.mark.parametrize("struct", LLAMA_FIELDS)
def test_llama_cpp_has_the_fields_that_we_set(struct: str) -> None:
    """ctypes lets anything be set on a struct: a field that is gone would be ignored without a word."""
    import llama_cpp

    there = {field[0] for field in getattr(llama_cpp, struct)._fields_}
    gone = LLAMA_FIELDS[struct] - there
    assert gone == set(), f"llama-cpp-python {version('llama-cpp-python')}: {struct} lacks {gone}"


def test_no_field_of_llama_cpp_is_set_that_is_not_named_here() -> None:
    tree = ast.parse((ROOT / PACKAGE / "inferencers" / "gguf_runtime.py").read_text(encoding="utf-8"))
    targets = [t for node in ast.walk(tree) if isinstance(node, ast.Assign) for t in node.targets]
    ours = {t.attr for t in targets if isinstance(t, ast.Attribute) and ast.unparse(t.value) == "params"}
    assert ours - set().union(*LLAMA_FIELDS.values()) == set()


def test_llama_cpp_has_every_function_that_we_call() -> None:
    import llama_cpp

    used = {
        node.attr
        for path in (ROOT / PACKAGE).rglob("*.py")
        if "llama_cpp." in path.read_text(encoding="utf-8")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "llama_cpp"
    }
    assert len(used) > 40
    gone = {name for name in used if not hasattr(llama_cpp, name)}
    assert gone == set(), f"llama-cpp-python {version('llama-cpp-python')} lacks {gone}"
