"""A router that is learnt from recorded answers: for each model, how likely it answers a question well.

Features are TF-IDF weights of words (one and two) and of characters (two to four: Chinese is written without spaces);
on them stands one logistic regression for each model, whose scores are calibrated on questions that it has not seen
(Platt 1999). Sources for how much to expect: arXiv 2406.18665 (RouteLLM), 2601.07206.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.routing.outcomes import MAX_MODELS, Numbers, Outcomes

MIN_QUESTIONS = 40
MAX_READ_CHARS = 4000
# Of each kind of features; with 300 models the weights take 20 MB at most.
MAX_FEATURES = 8000
CALIBRATION_SHARE = 0.25
SLOPES = tuple(step / 10 for step in range(21))
FORMAT, VERSION = "multi-llm-comparator learnt router", 1
MAX_JSON_BYTES, MAX_ARRAYS_BYTES = 8 << 20, 64 << 20
_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("words", {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}),
    ("characters", {"analyzer": "char_wb", "ngram_range": (2, 4)}),
)


@dataclass(frozen=True, eq=False)
class Features:
    """From texts to numbers: the terms of both kinds, in the order of their columns, and how rare each is."""

    terms: tuple[tuple[str, ...], ...]
    rarity: tuple[Numbers, ...]

    @classmethod
    def learnt_from(cls, texts: Sequence[str]) -> Features:
        from sklearn.feature_extraction.text import TfidfVectorizer

        terms, rarity = [], []
        for _, kind in _KINDS:
            made = TfidfVectorizer(
                max_features=MAX_FEATURES, min_df=min(2, max(1, len(texts) // 20)), sublinear_tf=True, **kind
            )
            made.fit([_read(text) for text in texts])
            terms.append(tuple(map(str, made.get_feature_names_out())))
            rarity.append(np.asarray(made.idf_, dtype=np.float32))
        return cls(tuple(terms), tuple(rarity))

    def of(self, texts: Sequence[str]) -> Any:
        """A sparse table: one row a text."""
        from scipy.sparse import csr_matrix, hstack
        from sklearn.feature_extraction.text import TfidfVectorizer

        parts = []
        for (_, kind), terms, rarity in zip(_KINDS, self.terms, self.rarity, strict=True):
            made = TfidfVectorizer(
                vocabulary={term: column for column, term in enumerate(terms)}, sublinear_tf=True, **kind
            )
            made.idf_ = rarity.astype(np.float64)
            parts.append(made.transform([_read(text) for text in texts]))
        return csr_matrix(hstack(parts))


@dataclass(frozen=True, eq=False)
class Predictor:
    """How likely each of ``models`` answers a question well.

    Attributes:
        weights: one row a model, one column a feature; ``offsets`` one number a model.
        slopes: by how much it counts how hard a question is for all, and how hard for this model beyond that.
        levels: one number a model, to which both are added.
        costs: what an answer of each took on average, in ``unit``.
    """

    models: tuple[str, ...]
    features: Features
    weights: Numbers
    offsets: Numbers
    slopes: Numbers
    levels: Numbers
    costs: Numbers
    unit: str

    def probabilities(self, texts: Sequence[str]) -> Numbers:
        """One row a text, one column a model, 0 to 1."""
        if not texts:
            return np.zeros((0, len(self.models)), np.float32)
        scores = np.asarray(self.features.of(texts) @ self.weights.T) + self.offsets
        hard, own = _parted(scores)
        found: Numbers = _squashed(self.levels + self.slopes[0] * hard + self.slopes[1] * own).astype(np.float32)
        return found

    @property
    def relative_costs(self) -> Numbers:
        """0 to 1, the dearest."""
        most = float(self.costs.max(initial=0.0))
        return self.costs / most if most > 0 else np.zeros_like(self.costs)


def learn(outcomes: Outcomes) -> Predictor:
    """Learn from recorded answers; seconds for thousands of questions. Call it in a thread.

    Raises:
        ConfigurationError: fewer than ``MIN_QUESTIONS`` questions, or fewer than two models.
    """
    if len(outcomes.questions) < MIN_QUESTIONS or len(outcomes.models) < 2:
        raise ConfigurationError(
            f"there are {len(outcomes.questions)} recorded questions of {len(outcomes.models)} models; learning a "
            f"router takes {MIN_QUESTIONS} of two models: measure more on the Measure page"
        )
    fitted, aside = outcomes.split(CALIBRATION_SHARE, "calibration")
    features = Features.learnt_from(fitted.questions)
    rows, aside_rows = features.of(fitted.questions), features.of(aside.questions)
    width = rows.shape[1]
    weights, offsets = np.zeros((len(outcomes.models), width), np.float32), np.zeros(len(outcomes.models), np.float32)
    for number in range(len(outcomes.models)):
        weights[number], offsets[number] = _regression(rows, fitted.values[:, number])
    scores = np.asarray(aside_rows @ weights.T + offsets, np.float32)
    slopes, levels = _calibrated(scores, aside.values, _smoothed_means(outcomes))
    return Predictor(outcomes.models, features, weights, offsets, slopes, levels, outcomes.mean_costs, outcomes.unit)


def _regression(rows: Any, values: Numbers) -> tuple[Numbers, float]:
    """Weights and offset for one model; where it was always right, or always wrong, the offset says it alone."""
    from sklearn.linear_model import LogisticRegression

    known = np.flatnonzero(~np.isnan(values))
    right, wrong = values[known], 1 - values[known]
    if right.sum() < 1 or wrong.sum() < 1:
        share = (right.sum() + 1) / (len(known) + 2)
        return np.zeros(rows.shape[1], np.float32), float(np.log(share / (1 - share)))
    # A value between 0 and 1 is so much of a right and so much of a wrong answer.
    taken = np.concatenate([known[right > 0], known[wrong > 0]])
    labels = np.concatenate([np.ones(int((right > 0).sum())), np.zeros(int((wrong > 0).sum()))])
    shares = np.concatenate([right[right > 0], wrong[wrong > 0]])
    made = LogisticRegression(C=1.0, solver="liblinear", max_iter=200, random_state=0)
    made.fit(rows[taken], labels, sample_weight=shares)
    return made.coef_[0].astype(np.float32), float(made.intercept_[0])


def _calibrated(scores: Numbers, values: Numbers, means: Numbers) -> tuple[Numbers, Numbers]:
    """The two slopes and the levels by which scores become likelihoods, as :class:`Predictor` has them.

    Slopes for each model alone would be drawn from few questions, and the luckiest model would win every question. So
    two slopes hold for all, the likeliest ones on the questions set aside, and each model keeps its own mean: where
    texts tell nothing of models the second slope is 0, and the model that is best on average is chosen.
    """
    known = ~np.isnan(values)
    level = np.log(means / (1 - means))
    if known.sum() < MIN_QUESTIONS:
        return np.zeros(2, np.float32), level.astype(np.float32)
    hard, own = _parted(scores)
    hard_mean, own_mean = hard.mean(), own.mean(axis=0)
    right, wrong = np.where(known, values, 0), np.where(known, 1 - values, 0)

    def likelihood(slopes: tuple[float, float]) -> float:
        likely = _squashed(level + slopes[0] * (hard - hard_mean) + slopes[1] * (own - own_mean))
        return float((right * np.log(likely) + wrong * np.log(1 - likely)).sum())

    best = max(itertools.product(SLOPES, SLOPES), key=likelihood)
    levels = level - best[0] * hard_mean - best[1] * own_mean
    return np.array(best, np.float32), levels.astype(np.float32)


def _parted(scores: Any) -> tuple[Any, Any]:
    """How hard each question is for all models together, and what is each model's own beyond that."""
    hard = scores.mean(axis=1, keepdims=True)
    return hard, scores - hard


def _smoothed_means(outcomes: Outcomes) -> Numbers:
    """Share of right answers by model, never 0 or 1: nobody is always right because it was so a few times."""
    known = ~np.isnan(outcomes.values)
    found: Numbers = (np.nansum(outcomes.values, axis=0) + 1) / (known.sum(axis=0) + 2)
    return found


def _squashed(scores: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(scores, -30, 30)))


def _read(text: str) -> str:
    return text[:MAX_READ_CHARS]


# --- on disk: JSON and plain arrays, which cannot run anything --------------------------------------------------------


def save(predictor: Predictor, folder: Path, report: dict[str, Any]) -> str:
    """Write it to ``folder`` as ``learnt.json`` and ``learnt.npz``; its version is given back."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = folder / "learnt.npz.new"
    words, characters = predictor.features.rarity
    with arrays.open("wb") as file:
        np.savez(
            file,
            weights=predictor.weights,
            offsets=predictor.offsets,
            slopes=predictor.slopes,
            levels=predictor.levels,
            costs=predictor.costs,
            rarity_0=words,
            rarity_1=characters,
        )
    digest = hashlib.sha256(arrays.read_bytes()).hexdigest()
    arrays.replace(folder / "learnt.npz")
    data = {
        "format": FORMAT,
        "version": VERSION,
        "arrays": digest,
        "models": predictor.models,
        "unit": predictor.unit,
        "terms": predictor.features.terms,
        "report": report,
    }
    write_atomically(folder / "learnt.json", json.dumps(data, ensure_ascii=False))
    return digest[:16]


def load(folder: Path) -> tuple[Predictor, dict[str, Any], str] | None:
    """What :func:`save` wrote: the predictor, the report, the version; None where nothing was learnt.

    Raises:
        DocumentError: the files are not what they should be.
    """
    path = folder / "learnt.json"
    if not path.is_file():
        return None
    try:
        data = load_json(path, MAX_JSON_BYTES)
        arrays = folder / "learnt.npz"
        raw = read_bytes(arrays, MAX_ARRAYS_BYTES)
        if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
            raise ValueError(f"{path.name} is of another format")
        if hashlib.sha256(raw).hexdigest() != data["arrays"]:
            raise ValueError(f"{arrays.name} belongs to another {path.name}")
        return _predictor(data, arrays), dict(data["report"]), str(data["arrays"])[:16]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as exc:
        raise DocumentError(
            f"the learnt router in {str(folder)!r} cannot be used ({exc}); delete 'learnt.json' there and learn again"
        ) from exc


def _predictor(data: dict[str, Any], arrays: Path) -> Predictor:
    """Raises ValueError: shapes that do not fit together."""
    models = tuple(str(name) for name in data["models"])
    terms = tuple(tuple(str(term) for term in kind) for kind in data["terms"])
    with zipfile.ZipFile(arrays) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > MAX_ARRAYS_BYTES:
            raise ValueError(f"the arrays have more than {MAX_ARRAYS_BYTES} bytes")
    with np.load(arrays, allow_pickle=False) as file:
        found = {name: np.asarray(file[name], dtype=np.float32) for name in file.files if len(file.files) <= 16}
    rarity = tuple(found[f"rarity_{number}"] for number in range(len(_KINDS)))
    width = sum(map(len, terms))
    shapes = {"weights": (len(models), width), "offsets": (len(models),), "slopes": (2,)}
    shapes["levels"] = shapes["costs"] = (len(models),)
    wrong = [name for name, shape in shapes.items() if found[name].shape != shape]
    if wrong or len(terms) != len(_KINDS) or any(one.shape != (len(t),) for one, t in zip(rarity, terms, strict=True)):
        raise ValueError(f"the arrays {wrong or ['rarity']} do not fit the models and terms")
    if not 2 <= len(models) <= MAX_MODELS or max(map(len, terms)) > MAX_FEATURES:
        raise ValueError("too many models or terms")
    if not all(np.isfinite(one).all() for one in found.values()):
        raise ValueError("some numbers are not finite")
    return Predictor(
        models,
        Features(terms, rarity),
        found["weights"],
        found["offsets"],
        found["slopes"],
        found["levels"],
        found["costs"],
        str(data["unit"])[:20],
    )
