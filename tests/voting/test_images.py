"""Votes about images: who is asked sees them, they are kept once and go with the files; they teach no text."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.voting.export import export_votes
from multi_llm_comparator.voting.human_preferences import human_preferences
from multi_llm_comparator.voting.preference_pairs import preference_rows
from multi_llm_comparator.voting.registry import VoteRegistry
from multi_llm_comparator.voting.spec import VotingSpec
from multi_llm_comparator.voting.vote_run import VoteRun
from tests.comparison.test_images import image
from tests.voting.sessions import session_spec
from tests.voting.world import World, open_turn

ONE, OTHER = image(0), image(1)


def spec(*digests: str) -> VotingSpec:
    """One question about each image."""
    rows = [{"id": str(n), "text": "What is this?", "images": (one,)} for n, one in enumerate(digests, 1)]
    return session_spec(prompts=rows)


async def voted(world: World) -> VoteRun:
    run = await world.votes.start(spec(ONE.digest, OTHER.digest), images=[OTHER, ONE, image(2)])
    await world.answer(4)
    for _ in range(2):
        turn = await open_turn(run)
        await run.vote(turn.number, turn.places[0])
    await run.wait()
    return run


async def test_everybody_is_asked_with_the_image_before_the_prompt_and_may_not_do_without(world: World) -> None:
    run = await world.votes.start(spec(ONE.digest), images=[ONE])
    for call in await world.answer(2):
        (message,) = call.request.messages
        assert [part.image or part.text for part in message.parts()] == [ONE.url, "What is this?"]
        assert not call.request.images_optional
    snapshot = run.snapshot()
    assert snapshot.images_of(await open_turn(run)) == (ONE,)
    await run.stop()


async def test_images_are_stored_once_and_found_again(world: World) -> None:
    run = await voted(world)
    again = (await VoteRegistry(RunRegistry(world.store), world.source).get(run.id)).snapshot()
    assert again.images == {ONE.digest: ONE, OTHER.digest: OTHER}
    assert [again.images_of(turn) for turn in again.turns] == [(ONE,), (OTHER,)]
    assert again.by_hand == 2


async def test_an_image_that_is_not_there_or_was_changed_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="not there"):
        await world.votes.start(spec(ONE.digest), images=[OTHER])
    run = await voted(world)
    (kept,) = [item for item in world.store.load_items(run.id) if item.key.endswith(ONE.digest)]
    world.store.save_items([replace(kept, record={**kept.record, "url": OTHER.url})])
    with pytest.raises(DocumentError, match="was changed"):
        await VoteRegistry(RunRegistry(world.store), world.source).get(run.id)


async def test_files_have_the_images_and_no_markup_of_their_names(world: World) -> None:
    snapshot = (await voted(world)).snapshot()
    page = export_votes(snapshot, "html").decode()
    assert f'src="{ONE.url}"' in page and "<b>0</b>" not in page
    everything = json.loads(export_votes(snapshot, "json"))
    assert [one["digest"] for one in everything["images"]] == [ONE.digest, OTHER.digest]
    rows = list(csv.DictReader(io.StringIO(export_votes(snapshot, "csv").decode("utf-8-sig"))))
    assert [row["images_sha256"] for row in rows] == [ONE.digest] * 2 + [OTHER.digest] * 2
    table = export_votes(snapshot, "markdown").decode()
    assert ".png\\] What is this?" in table and "<b>0" not in table.replace("\\<", "")


async def test_preferences_about_images_teach_no_text(world: World) -> None:
    snapshot = (await voted(world)).snapshot()
    assert snapshot.by_hand == 2
    assert list(preference_rows([snapshot])) == []
    assert human_preferences([snapshot]) == []
