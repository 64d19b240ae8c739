"""Plans that the demo planner writes under the grammar, which the workbench holds local planners to, in its engines."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from demo.composed.measuring import MAX_PLAN_TOKENS, Planned, judged
from demo.composed.question import ComposedQuestion
from multi_llm_comparator.core.events import Failed, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.registry import open_engine
from multi_llm_comparator.plans.executor import exact_config
from multi_llm_comparator.plans.grammar import plan_grammar

CONTEXT, BATCH = 1024, 8


def valid_under_grammar(files: Mapping[str, Path], questions: Sequence[ComposedQuestion]) -> dict[str, int]:
    """How many of the "questions" got a valid plan, by kind of model file ("gguf", "pytorch")."""
    valid = {kind: sum(p.valid for p in _planned(kind, path, questions)) for kind, path in files.items()}
    return {"questions": len(questions), **valid}


def _planned(kind: str, path: Path, questions: Sequence[ComposedQuestion]) -> list[Planned]:
    engine = open_engine(kind, str(path), LoadOptions(n_ctx=CONTEXT, parallel=BATCH))
    texts = dict(_texts(engine, [question.prompt for question in questions]))
    engine.close()
    return [judged(question, texts[question.prompt]) for question in questions]


def _texts(engine: Engine, prompts: Sequence[str]) -> Iterator[tuple[str, str]]:
    asked: dict[str, str] = {}
    written: dict[str, list[str]] = {}
    for prompt in prompts:
        config, grammar = exact_config(MAX_PLAN_TOKENS), plan_grammar()
        request = GenerationRequest(messages=(Message("user", prompt),), config=config, constraint=grammar)
        asked[request.id], written[request.id] = prompt, []
        engine.submit(request)
    while engine.is_busy:
        for event in engine.step():
            match event:
                case TextDelta(request_id=request_id, text=text):
                    written[request_id].append(text)
                case Failed(message=message):
                    raise RuntimeError(message)
    for request_id, prompt in asked.items():
        yield prompt, "".join(written[request_id])
