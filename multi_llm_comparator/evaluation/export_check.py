"""An export counts when it was checked: how far the GGUF file's predictions are from the checkpoint's it was made from.

Both read the same sample texts; at each place of a text the likeliest token is compared (what greedy decoding would
take), and the distributions by their Kullback-Leibler divergence (:mod:`evaluation.distributions`). What was found is
kept beside the file, as ``NAME.gguf.check.json``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError, ModelNotFoundError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.scores import TextScorer
from multi_llm_comparator.evaluation.distributions import compare_distributions
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.folder import scan_folder

ENDING = ".check.json"
MAX_BYTES = 64 * 1024
CONTEXT = 512
SAMPLE_TEXTS = (
    "Question: What is the capital of France?\nAnswer: The capital of France is Paris, a city on the river Seine.",
    "To make bread you need flour, water, salt and yeast. Mix them, let the dough rise for two hours, and bake it.",
    "def mean(values):\n    if not values:\n        raise ValueError('none')\n    return sum(values) / len(values)\n",
    "Seven plus five is twelve. Twelve times three is thirty-six. Thirty-six divided by four is nine.",
    "Dear Ms Lopez,\n\nthank you for your letter of 3 May. We are glad to confirm your booking for two nights.\n",
    "The sky is blue because air scatters short waves of light more than long ones; at dusk the path is longer.",
    '{"name": "Ada", "born": 1815, "works": ["Notes on the Analytical Engine"], "languages": ["en", "fr"]}',
    "Once upon a time there was a lighthouse keeper who counted the ships that passed, and gave each of them a name.",
    "水在标准大气压下一百摄氏度沸腾，零摄氏度结冰。人们用它来定义温度。",
    "A list of things to pack: a coat, two pairs of socks, a torch, matches, a map, and enough food for three days.",
    "SELECT city, COUNT(*) AS n FROM orders WHERE year = 2024 GROUP BY city ORDER BY n DESC LIMIT 10;",
    "Translate to German: The train leaves at half past eight. Der Zug fährt um halb neun ab.",
)


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """What a check found.

    Attributes:
        reference: the model compared with, by name: a checkpoint, or ``base:adapter``.
        top1_agreement: share of places where both find the same token likeliest.
        mean_kl: divergence from the reference, in nats per token.
        tokens: places that were compared, in ``texts`` texts.
        checked_at: seconds since the epoch.
    """

    reference: str
    top1_agreement: float
    mean_kl: float
    tokens: int
    texts: int
    checked_at: float

    @property
    def sentence(self) -> str:
        return (
            f"checked against {self.reference!r} on {self.texts} texts: the same likeliest token at "
            f"{self.top1_agreement:.1%} of {self.tokens} places, mean KL divergence {self.mean_kl:.2g} nats per token"
        )


async def check_export(scorer: TextScorer, reference: ModelInfo, made: ModelInfo) -> ExportCheck:
    """Compare ``made`` with ``reference``, both known to ``scorer`` by their ids, and keep what was found beside it.

    The reference is computed in float32.

    Raises:
        MultiLLMError: one of the two cannot be loaded or scored, or their tokens differ.
    """
    known = [model.config.get("context_length") or CONTEXT for model in (reference, made)]
    n_ctx = min(CONTEXT, *known)
    configs = {
        reference.id: ModelConfig(n_ctx=n_ctx, torch_dtype="float32"),
        made.id: ModelConfig(n_ctx=n_ctx),
    }
    losses = await compare_distributions(scorer, reference.id, [made.id], SAMPLE_TEXTS, configs=configs)
    loss = losses[made.id]
    check = ExportCheck(reference.name, loss.top1_agreement, loss.mean_kl, loss.tokens, len(SAMPLE_TEXTS), now())
    write_atomically(check_file(Path(made.path)), json.dumps(asdict(check), indent=2) + "\n")
    return check


async def check_files(reference: ModelInfo, made: Path) -> ExportCheck:
    """The same for a file that no list of models has yet, with an engine of its own."""
    found = [model for model in scan_folder(made.parent, "made") if Path(model.path).resolve() == made.resolve()]
    if not found:
        raise ModelNotFoundError(f"{str(made)!r} was not found as a model; was it moved?")
    return await _check_apart(reference, found[0])


async def check_conversion(models: ModelManager, source: Path, adapter: Path | None, made: Path) -> ExportCheck:
    """The same for a file that was made of one of ``models``, or of an adapter on it, and has been listed since. Other
    models stay loaded as they are: both are loaded apart from them, one after the other.

    Raises:
        MultiLLMError: see :func:`check_export`; ModelNotFoundError: one of them is not listed any more.
    """

    def listed(path: Path, on: Path | None) -> ModelInfo:
        for model in models.get_available_models():
            base = None if model.base is None else Path(model.base.path).resolve()
            if Path(model.path).resolve() == path.resolve() and base == (None if on is None else on.resolve()):
                return model
        raise ModelNotFoundError(f"{str(path)!r} is not among the models any more; was it moved?")

    reference = listed(source, None) if adapter is None else listed(adapter, source)
    return await _check_apart(reference, listed(made, None))


async def _check_apart(reference: ModelInfo, made: ModelInfo) -> ExportCheck:
    """Check with an engine that has these two models and nothing else."""
    models = ModelManager(Path(made.path).parent)
    models.available_models = [reference, made]
    engine = InferenceEngine(models=models)
    try:
        return await check_export(engine, reference, made)
    finally:
        await engine.aclose()


def check_file(gguf: Path) -> Path:
    """Where the check of a file is kept."""
    return gguf.with_name(gguf.name + ENDING)


def read_check(gguf: Path) -> ExportCheck | None:
    """What the check of a file found; None where there was none, or the file was made anew since, or it is damaged."""
    place = check_file(gguf)
    try:
        data = load_json(place, MAX_BYTES)
        if gguf.stat().st_mtime > place.stat().st_mtime:
            return None
        return ExportCheck(
            reference=str(data["reference"])[:200],
            top1_agreement=float(data["top1_agreement"]),
            mean_kl=float(data["mean_kl"]),
            tokens=int(data["tokens"]),
            texts=int(data["texts"]),
            checked_at=float(data["checked_at"]),
        )
    except (OSError, DocumentError, KeyError, TypeError, ValueError):
        return None
