"""A run as Markdown: every text in a fence that it cannot leave, so that it arrives as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from multi_llm_comparator.comparison.fairness import labels, settings_of_answers
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot
from multi_llm_comparator.comparison.words import (
    FIGURE_NAMES,
    WORDS,
    figure_cells,
    repeat_lines,
    state_words,
    turn_title,
)
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.markdown_text import fenced, one_line, table
from multi_llm_comparator.core.readable import Language, iso_time
from multi_llm_comparator.core.stored_images import StoredImage


def export_markdown(snapshot: ComparisonSnapshot, language: Language) -> str:
    """The whole run, turn by turn."""
    words = WORDS[language]
    lines = [
        f"# {one_line(snapshot.title) or words['comparison']}",
        "",
        f"- {words['created']}: {iso_time(snapshot.created_at)}",
        f"- {words['exported']}: {iso_time(now())}",
        f"- ID: {one_line(snapshot.id)}",
    ]
    if snapshot.imported_from:
        lines.append(f"- {words['imported_from']}: {one_line(snapshot.imported_from.run_id)}")
    if snapshot.shared_thread:
        lines.append(f"- {words['shared_thread']}")
    if snapshot.in_turn:
        lines.append(f"- {words['in_turn']}")
    for turn in snapshot.turns:
        lines += ["", *_turn(turn, snapshot.images_of(turn), language, snapshot.shared_thread)]
    return "\n".join(lines) + "\n"


def _turn(turn: TurnSnapshot, images: Sequence[StoredImage], language: Language, marks_chosen: bool) -> Iterator[str]:
    words = WORDS[language]
    yield from (f"## {turn_title(turn.index, language)}", "", f"### {words['prompt']}", "", *fenced(turn.prompt), "")
    for image in images:
        size = f"{image.width} × {image.height}"
        yield f"- {words['image']}: {one_line(image.name)}, {size}, SHA-256 {image.digest}"
        yield from ("", f"![{one_line(image.name)}]({image.thumbnail})", "")
    shown = list(turn.answers.values())
    yield from _differences(shown, language)
    attempts = [answer for answers in turn.attempts.values() for answer in answers]
    names = labels(attempts)
    for answer, name in zip(attempts, names, strict=True):
        yield from _answer(answer, name, turn, language, marks_chosen or turn.is_picked)
    yield from (f"### {words['figures']}", "")
    header = [words["model"], words["attempt"], *(words[name] for name in FIGURE_NAMES)]
    rows = [[name, str(a.attempt), *figure_cells(a.figures)] for a, name in zip(attempts, names, strict=True)]
    yield from table(header, rows)


def _differences(answers: Sequence[AnswerSnapshot], language: Language) -> Iterator[str]:
    """A table of the parameters in which the panes differ; nothing where they do not."""
    settings = settings_of_answers(answers)
    if len(answers) < 2 or not settings:
        return
    yield from (f"### {WORDS[language]['differs']}", "")
    names = [f"{chr(ord('A') + i)}: {one_line(a.model_name)}" for i, a in enumerate(answers)]
    yield from table(["", *names], [[setting.name, *setting.values] for setting in settings])
    yield ""


def _answer(
    answer: AnswerSnapshot, name: str, turn: TurnSnapshot, language: Language, marks_chosen: bool
) -> Iterator[str]:
    words, progress = WORDS[language], answer.progress
    title = f"### {one_line(name)} · {words['attempt']} {answer.attempt}/{answer.attempts}"
    is_chosen = marks_chosen and turn.goes_on_from(answer)
    yield from (f"{title} · {words['chosen']}" if is_chosen else title, "")
    if answer.thought:
        yield from (f"#### {words['thinking']}", "", *fenced(answer.thought, "markdown"), "")
    yield from (*fenced(answer.text, "markdown"), "")
    yield f"- {words['state']}: {state_words(answer, language)}"
    if progress.finish_reason:
        yield f"- {words['reason']}: {words[progress.finish_reason]}"
    if answer.is_written_by_hand:
        yield f"- {words['by_hand']}"
    if turn.answers[answer.pane_id] is answer:
        yield from (f"- {line}" for line in repeat_lines(answer, turn.attempts[answer.pane_id], language))
    if answer.figures.contended_by:
        yield f"- {words['contended']}: {one_line(', '.join(answer.figures.contended_by))}"
    if answer.figures.batched_with:
        yield f"- {words['batched_with']}: {answer.figures.batched_with}"
    if progress.error:
        yield f"- {words['error']}: {one_line(progress.error_type or '')}: {one_line(progress.error)}"
    yield f"- {words['seed']}: {answer.legs[0].seed}"
    yield f"- {words['model']}: {one_line(answer.target)} {one_line(answer.model.path)}"
    yield f"- {words['fingerprint']}: {one_line(answer.model.fingerprint or '–')}"
    versions = ", ".join(f"{name} {number}" for name, number in answer.versions.items())
    yield f"- {words['versions']}: {one_line(versions)}"
    yield f"- {words['parameters']}: {one_line(', '.join(f'{k}={v!r}' for k, v in answer.config.to_dict().items()))}"
    yield from ("", f"#### {words['rendered_prompt']}", "", *fenced(answer.legs[0].prompt), "")
