"""From a checkpoint directory to a model and tokenizer in memory: device, dtype, quantization."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.cpus import slow_on_cpu
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.pictures import NOT_SEEING
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.checkpoint_files import TOKENIZER_FILES
from multi_llm_comparator.inferencers.pytorch_environment import quieten
from multi_llm_comparator.inferencers.pytorch_errors import as_load_error, detail, tokenizer_named
from multi_llm_comparator.inferencers.pytorch_vision import Sight
from multi_llm_comparator.inferencers.transformers_seam import (
    GENERIC_TOKENIZERS,
    VERSION,
    causal_lm_types,
    drop_wishes,
    import_kinds,
    is_fast_tokenizer,
    seeing_types,
)

MAX_CONFIG_BYTES = 8 * 1024 * 1024
NO_GRAMMAR = "It cannot be held to a constraint: its tokenizer is of an older kind; save it again as tokenizer.json."
SAFE = "float32, one thread, plain attention: these are its safe settings"
FLOAT32 = (
    "float32 instead of the file's {dtype}, in twice the memory: this CPU computes {dtype} many times slower; "
    "torch_dtype='{dtype}' has it all the same."
)
OWN_KERNELS = (
    "Its config.json asks to be computed by {!r}: that is not for a model's file to choose, and the usual way is used."
)
NO_USABLE_GPU = "On the CPU, though there is a GPU: torch {version} cannot use it; its driver may be too old."
# What the embedded models and most others are; importing them ahead takes their time out of the first load.
COMMON_MODELS = ("llama", "qwen2")


@dataclass
class LoadedCheckpoint:
    """A checkpoint in memory, ready to compute."""

    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    quantization: str
    n_ctx: int
    n_ctx_train: int | None
    stop_ids: frozenset[int]
    notes: list[str] = field(default_factory=list)
    sight: Sight | None = None


def import_common() -> None:
    """Import what loading the common kinds of models needs."""
    import_kinds(COMMON_MODELS)
    quieten()


def load_checkpoint(path: str, options: LoadOptions) -> LoadedCheckpoint:
    """Load the checkpoint directory ``path``; nothing is fetched from anywhere.

    Raises:
        UnsupportedModelError: it is not a causal language model that can be run, or wants to run its own code.
        InsufficientMemoryError: it does not fit.
        ModelLoadError: its files are missing, damaged or do not fit each other.
    """
    quieten()
    sees = _check_writes(path, _read_config(path), options)
    # Whatever a stranger's files make these libraries raise becomes one line for a person.
    try:
        with tokenizer_named(ModelLoadError, "while it is read"):
            return _load(path, options, sees=sees)
    except Exception as exc:
        raise as_load_error(exc, path) from exc


def _load(path: str, options: LoadOptions, *, sees: bool) -> LoadedCheckpoint:
    from transformers import AutoConfig

    trust = options.trust_remote_code
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=trust)
    notes = [OWN_KERNELS.format(wish[:80]) for wish in drop_wishes(config)]
    device = _device(options)
    quantization = _quantization(config, options, device, notes)
    tokenizer = _load_tokenizer(path, trust)
    model = _load_model(path, config, options, device, quantization, sees=sees)
    if device.type == "cpu" and options.torch_dtype == "auto" and slow_on_cpu(_name(model.dtype)):
        model = model.float()
    notes += _slower_than_asked(config, options, device, model.dtype)
    if not is_fast_tokenizer(tokenizer):
        notes.append(NO_GRAMMAR)
    sight = _sight(path, model, tokenizer, notes) if sees else None
    return LoadedCheckpoint(
        model=model,
        tokenizer=tokenizer,
        device=device,
        dtype=model.dtype,
        quantization=quantization,
        n_ctx=_context(config, options, notes),
        n_ctx_train=_trained_context(config),
        stop_ids=_stop_ids(
            getattr(model.generation_config, "eos_token_id", None), _config_end(model.config), tokenizer.eos_token_id
        ),
        notes=notes,
        sight=sight,
    )


def _config_end(config: Any) -> Any:
    """The tokens that end a text; models that see keep theirs with what is of the text."""
    own = getattr(config, "eos_token_id", None)
    return own if own is not None else getattr(config.get_text_config(decoder=True), "eos_token_id", None)


def _sight(path: str, model: Any, tokenizer: Any, notes: list[str]) -> Sight | None:
    """What reads images for the model; None, with a note, where that cannot be opened here."""
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        # The rules of the checkpoint's own file, as for prompts without images.
        processor.tokenizer = tokenizer
        return Sight(processor, model)
    except Exception as exc:
        # Its text can still be asked for: what is missing is often a package that only images or videos need.
        notes.append(NOT_SEEING.format(f"its processor cannot be opened ({type(exc).__name__}: {detail(exc)})"))
        return None


def _load_model(
    path: str, config: Any, options: LoadOptions, device: torch.device, quantization: str, *, sees: bool
) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    dtype = _dtype(config, options, device)
    arguments: dict[str, Any] = {"dtype": "auto" if dtype is None else dtype}
    if quantization in ("8bit", "4bit"):
        arguments["quantization_config"] = _quantization_config(quantization, dtype or config.dtype or torch.float32)
    if device.type != "cpu" or quantization != "none":
        arguments["device_map"] = {"": device}
    if options.safe:
        arguments["attn_implementation"] = "eager"
    model, report = (AutoModelForImageTextToText if sees else AutoModelForCausalLM).from_pretrained(
        path,
        config=config,
        local_files_only=True,
        trust_remote_code=options.trust_remote_code,
        weights_only=True,
        disable_mmap=not options.low_cpu_mem_usage,
        output_loading_info=True,
        **arguments,
    )
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers would fill them with random numbers and answer nonsense.
        raise ModelLoadError(
            f"the weights of {path!r} lack {len(missing)} tensors that the model needs, the first is {missing[0]!r}; "
            "fetch the model again, or check that config.json belongs to these weights"
        )
    return model.eval().requires_grad_(False)


def _read_config(path: str) -> dict[str, Any]:
    file = Path(path) / "config.json"
    if not Path(path).is_dir() or not file.is_file():
        raise ModelLoadError(f"{path!r} is not a checkpoint directory: it has no config.json")
    try:
        config = load_json(file, MAX_CONFIG_BYTES)
    except (OSError, ValueError, RecursionError) as exc:
        raise ModelLoadError(f"{str(file)!r} is not readable as JSON: {detail(exc)}") from exc
    if not isinstance(config, dict):
        raise ModelLoadError(f"{str(file)!r} must hold an object, not {type(config).__name__}")
    return config


def _check_writes(path: str, config: dict[str, Any], options: LoadOptions) -> bool:
    """Whether the checkpoint sees images beside text. Raises UnsupportedModelError where it writes no text."""
    known, causal = causal_lm_types()
    kind = config.get("model_type")
    brings_code = isinstance(config.get("auto_map"), dict)
    if brings_code and options.trust_remote_code:
        return False
    if kind not in known:
        if brings_code:
            raise UnsupportedModelError(
                f"{path!r} (type {kind!r}) runs only with Python code that comes with it; read that code, and if you "
                "trust it, switch on trust_remote_code for this model"
            )
        raise UnsupportedModelError(f"{path!r} is of the type {kind!r}, which transformers {VERSION} does not know")
    classes = {str(name).lower() for name in causal.values()}
    declared = [str(name) for name in config.get("architectures") or []]
    seeing = seeing_types().get(kind)
    if seeing is not None and seeing in declared and config.get("is_encoder_decoder") is not True:
        return True
    if kind not in causal or (declared and not classes & {name.lower() for name in declared}):
        what = declared[0] if declared else kind
        raise UnsupportedModelError(
            f"{path!r} is a {what!r}, which does not generate text; choose a causal language model"
        )
    return False


def _device(options: LoadOptions) -> torch.device:
    if options.use_gpu and not options.safe:
        if torch.cuda.is_available():
            return torch.device("cuda", options.gpu)
        if torch.backends.mps.is_available():
            return torch.device("mps")
    return torch.device("cpu")


def _slower_than_asked(config: Any, options: LoadOptions, device: torch.device, dtype: torch.dtype) -> list[str]:
    """What a person should know who expects the settings that were asked for."""
    if options.safe:
        unused = "" if options.quantization == "none" else f"; quantization {options.quantization} is not used"
        return [f"{SAFE}{unused}."]
    notes = []
    if device.type == "cpu" and dtype == torch.float32 and slow_on_cpu(_name(config.dtype)):
        notes.append(FLOAT32.format(dtype=_name(config.dtype)))
    # That torch is a build for CPUs is seen from outside, and a machine without a GPU has nothing to tell.
    if device.type == "cpu" and options.use_gpu and torch.version.cuda is not None and shutil.which("nvidia-smi"):
        notes.append(NO_USABLE_GPU.format(version=torch.__version__))
    return notes


def _dtype(config: Any, options: LoadOptions, device: torch.device) -> torch.dtype | None:
    """The dtype to load with; None means as the checkpoint is."""
    if options.safe:
        return torch.float32
    if options.torch_dtype != "auto":
        dtype: torch.dtype = getattr(torch, options.torch_dtype)
        return dtype
    return torch.float32 if device.type == "cpu" and slow_on_cpu(_name(config.dtype)) else None


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")


def _quantization(config: Any, options: LoadOptions, device: torch.device, notes: list[str]) -> str:
    """What the weights will be held in: the checkpoint's own kind of quantization, or the one asked for."""
    own = getattr(config, "quantization_config", None)
    if own is not None:
        method = own.get("quant_method") if isinstance(own, dict) else getattr(own, "quant_method", None)
        if options.quantization != "none":
            notes.append(
                f"The checkpoint is quantised already ({method}); quantization {options.quantization} is not used."
            )
        return str(method)
    if options.safe or options.quantization == "none":
        return "none"
    if device.type == "mps":
        raise UnsupportedModelError("8bit and 4bit need an NVIDIA GPU or a CPU: switch use_gpu or quantization off")
    return options.quantization


def _quantization_config(quantization: str, compute_dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute_dtype)


def load_tokenizer(path: str) -> tuple[Any, frozenset[int]]:
    """A checkpoint's tokenizer without its weights, and the tokens that end an answer.

    Raises:
        ModelLoadError: its files are missing or damaged.
    """
    from transformers import AutoConfig, GenerationConfig

    quieten()
    _check_writes(path, _read_config(path), LoadOptions())
    try:
        with tokenizer_named(ModelLoadError, "while it is read"):
            config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
            tokenizer = _load_tokenizer(path, trust_remote_code=False)
            try:
                generation = GenerationConfig.from_pretrained(path, local_files_only=True)
            except OSError:
                generation = GenerationConfig.from_model_config(config)
            ends = getattr(generation, "eos_token_id", None)
            return tokenizer, _stop_ids(ends, _config_end(config), tokenizer.eos_token_id)
    except Exception as exc:
        raise as_load_error(exc, path) from exc


def _load_tokenizer(path: str, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if not any(next(Path(path).glob(pattern), None) for pattern in TOKENIZER_FILES):
        raise ModelLoadError(
            f"{path!r} has no tokenizer; copy tokenizer.json (or tokenizer.model) from where the model is from"
        )
    # AutoTokenizer would put the usual splitting rules of the model's type in place of those in tokenizer.json, even
    # where the checkpoint declares that the file says it all.
    kind = PreTrainedTokenizerFast if _declared_tokenizer(path) in GENERIC_TOKENIZERS else AutoTokenizer
    try:
        tokenizer = kind.from_pretrained(path, local_files_only=True, trust_remote_code=trust_remote_code)
    except Exception as exc:
        raise ModelLoadError(f"the tokenizer of {path!r} cannot be read: {detail(exc)}") from exc
    if len(tokenizer) == 0:
        raise ModelLoadError(
            f"the tokenizer of {path!r} has no tokens; copy tokenizer.json from where the model is from"
        )
    return tokenizer


def _declared_tokenizer(path: str) -> str | None:
    file = Path(path) / "tokenizer_config.json"
    if not (Path(path) / "tokenizer.json").is_file() or not file.is_file():
        return None
    try:
        declared = load_json(file, MAX_CONFIG_BYTES)
    except (OSError, ValueError, RecursionError):
        return None
    return declared.get("tokenizer_class") if isinstance(declared, dict) else None


def _context(config: Any, options: LoadOptions, notes: list[str]) -> int:
    """Tokens that one request may take, prompt and answer together."""
    trained = _trained_context(config)
    if trained is None or options.n_ctx <= trained:
        return options.n_ctx
    notes.append(f"The context is {trained} tokens, all that the model was made for, instead of {options.n_ctx}.")
    return trained


def _trained_context(config: Any) -> int | None:
    """Tokens that the model was made for; None when its configuration does not say."""
    trained = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None)
    return trained if isinstance(trained, int) and trained > 0 else None


def _stop_ids(*named: Any) -> frozenset[int]:
    """The tokens that end an answer, wherever the checkpoint names them."""
    found: set[int] = set()
    for ids in named:
        if isinstance(ids, int):
            found.add(ids)
        elif ids is not None:
            found.update(int(token) for token in ids)
    return frozenset(found)
