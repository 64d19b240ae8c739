"""Images beside prompts: asked with, kept once, found again, exported, and left out of what nobody shows."""

from __future__ import annotations

import asyncio
import json

import pytest

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import IMAGES
from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.exceptions import DocumentError, InvalidParameterError
from multi_llm_comparator.core.image_data import digest_of, image_bytes
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import PANES
from tests.support.scripted_source import ScriptedSource

# The smallest PNGs: one point each.
_POINT = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk{}wAAAABJRU5ErkJggg=="


def image(number: int = 0) -> StoredImage:
    url = _POINT.format(f"+M9Q{'ABCDEFGH'[number]}wADhgGAWjR9a")
    return StoredImage(digest_of(image_bytes(url)), f"<b>{number}</b>.png", url, url, 1, 1)


async def asked(registry: ComparisonRegistry, source: ScriptedSource, *images: StoredImage) -> Comparison:
    comparison = await registry.create(PANES)
    await comparison.send("What is this?", images=images)
    for call in await source.next_calls(len(PANES)):
        await call.answer("a point")
    await comparison.wait()
    return comparison


async def test_panes_are_asked_with_the_images_before_the_prompt(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    await asked(registry, source, image(0), image(1))

    for call in source.calls:
        (message,) = call.request.messages
        assert [part.image or part.text for part in message.parts()] == [image(0).url, image(1).url, "What is this?"]
        assert call.request.images_optional


async def test_later_turns_go_on_with_the_images_of_earlier_ones(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await asked(registry, source, image())
    await comparison.send("And what colour?", ["a"])
    (call,) = await source.next_calls(1, after=2)
    await call.answer("none")
    await comparison.wait()

    first, _, last = call.request.messages
    assert first.images == (image().url,)
    assert last.images == ()


async def test_an_image_is_stored_once_and_found_again(
    registry: ComparisonRegistry, source: ScriptedSource, store: Store
) -> None:
    comparison = await asked(registry, source, image())
    await comparison.send("Again?", ["a"], images=[image()])
    (call,) = await source.next_calls(1, after=2)
    await call.answer("the same")
    await comparison.wait()

    items = await asyncio.to_thread(store.load_items, comparison.id)
    record = await asyncio.to_thread(store.load_run, comparison.id)
    again = registry.restore(record, items).snapshot()
    assert [item.key for item in items if item.key.startswith(IMAGES)] == [f"{IMAGES}{image().digest}"]
    assert [again.images_of(turn) for turn in again.turns] == [(image(),), (image(),)]
    assert "base64" not in json.dumps(record.document)


async def test_a_run_that_is_made_again_or_branched_shows_the_same_images(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await asked(registry, source, image())
    again = await registry.rerun(comparison.id)
    for call in await source.next_calls(2, after=2):
        assert call.request.images == (image().url,)
        await call.answer("a point")
    await again.wait()
    await comparison.send("More?", ["a"])
    await (await source.next_calls(1, after=4))[0].answer("no")
    await comparison.wait()

    branch = (await registry.branch(comparison.id, 1)).snapshot()

    assert branch.images_of(branch.turns[0]) == (image(),)


async def test_an_exported_run_brings_its_images_and_is_read_again(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await asked(registry, source, image())
    exported = export_run(comparison.snapshot(), "json")

    imported = (await registry.import_run(exported)).snapshot()

    assert imported.images_of(imported.turns[0]) == (image(),)


async def test_an_image_that_was_changed_in_a_file_is_refused(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await asked(registry, source, image())
    document = json.loads(export_run(comparison.snapshot(), "json"))
    other = {**document["images"][0], "url": image(1).url}
    script = {**document["images"][0], "thumbnail": "javascript:alert(1)"}

    for images in ([other], [script], []):
        with pytest.raises(DocumentError):
            await registry.import_run(json.dumps({**document, "images": images}).encode())


@pytest.mark.parametrize("format", ["html", "markdown", "csv"])
async def test_pages_and_tables_of_a_run_have_its_images_and_no_markup_of_their_names(
    registry: ComparisonRegistry, source: ScriptedSource, format: str
) -> None:
    comparison = await asked(registry, source, image())

    text = export_run(comparison.snapshot(), format).decode()

    assert (image().digest if format != "html" else image().url) in text
    assert "<b>0" not in text


async def test_too_many_images_are_refused(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison = await registry.create(PANES)

    with pytest.raises(InvalidParameterError, match="at most 8"):
        await comparison.send("Look.", images=[image()] * 9)
