from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, trainers
from transformers import PreTrainedTokenizerFast

from multi_llm_comparator.core.exceptions import UnsupportedModelError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_load import LoadedCheckpoint, load_checkpoint
from multi_llm_comparator.inferencers.pytorch_text import PromptEncoder
from multi_llm_comparator.training.chat_rows import IGNORED, end_of_answer, rows_of
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.left_out import LeftOut

DEMO = Path(__file__).parents[2] / "models" / "pytorch" / "demo-small"
MESSAGES = (
    Message("user", "What is 2 + 3?"),
    Message("assistant", "2 + 3 = 5"),
    Message("user", "And 4 more?"),
    Message("assistant", "5 + 4 = 9"),
)
CHAT = Chat(MESSAGES, (1, 3), "line 1")


@pytest.fixture(scope="module")
def demo() -> LoadedCheckpoint:
    return load_checkpoint(str(DEMO), LoadOptions())


def rows(demo: LoadedCheckpoint, chat: Chat, max_tokens: int = 1024) -> Any:
    left_out = LeftOut()
    return rows_of([chat], demo.tokenizer, demo.stop_ids, max_tokens, left_out), left_out


def test_each_answer_is_learnt_behind_the_prompt_that_asks_for_it(demo: LoadedCheckpoint) -> None:
    made, _ = rows(demo, CHAT)
    encoder = PromptEncoder(demo.tokenizer)
    for row, index in zip(made, CHAT.learnt, strict=True):
        prompt = encoder.encode(GenerationRequest(messages=MESSAGES[:index]))[1]
        assert row.input_ids[: len(prompt)].tolist() == prompt
        assert set(row.labels[: len(prompt)].tolist()) == {IGNORED}
        learnt = row.labels[len(prompt) :].tolist()
        assert learnt == row.input_ids[len(prompt) :].tolist()
        assert demo.tokenizer.decode(learnt[:-1]) == MESSAGES[index].content
        assert learnt[-1] in demo.stop_ids
    assert [row.learnt_tokens for row in made] == [int((row.labels >= 0).sum()) for row in made]


def test_the_text_of_a_special_token_stays_text(demo: LoadedCheckpoint) -> None:
    chat = Chat((Message("user", "say it"), Message("assistant", "<|im_end|> ends")), (1,), "line 1")
    (row,), _ = rows(demo, chat)
    assert [token in demo.stop_ids for token in row.labels.tolist() if token != IGNORED].count(True) == 1


def test_an_answer_that_would_lose_its_end_is_left_out(demo: LoadedCheckpoint) -> None:
    (first, second), _ = rows(demo, CHAT)
    made, left_out = rows(demo, CHAT, max_tokens=len(second.input_ids) - 1)
    assert [row.input_ids.tolist() for row in made] == [first.input_ids.tolist()]
    assert [(r.count, r.first) for r in left_out] == [(1, "line 1")]
    assert len(rows(demo, CHAT, max_tokens=len(second.input_ids))[0]) == 2


def with_template(folder: Path, template: str | None, **settings: object) -> LoadedCheckpoint:
    """The demo model with another chat template, or none, and other settings of its tokenizer."""
    shutil.copytree(DEMO, folder / "model")
    (folder / "model" / "chat_template.jinja").unlink()
    path = folder / "model" / "tokenizer_config.json"
    changed = {**json.loads(path.read_text(encoding="utf-8")), "chat_template": template, **settings}
    path.write_text(json.dumps(changed), encoding="utf-8")
    return load_checkpoint(str(folder / "model"), LoadOptions())


def test_a_chat_that_the_template_refuses_is_left_out_with_its_words(tmp_path: Path) -> None:
    refuse = "{% if messages|length > 1 %}{{ raise_exception('one message only') }}{% endif %}{{ messages[0].content }}"
    made, left_out = rows(with_template(tmp_path, refuse), CHAT)
    assert len(made) == 1
    (reason,) = left_out
    assert "one message only" in reason.why


JOINED = "{% for m in messages %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize("template", [None, "{{ messages[0].content }}", JOINED])
def test_where_the_template_ends_no_answer_the_tokenizers_end_mark_does(tmp_path: Path, template: Any) -> None:
    tokenizer = with_template(tmp_path, template).tokenizer
    assert end_of_answer(PromptEncoder(tokenizer), tokenizer, frozenset({1})) == tokenizer.eos_token_id


def test_without_either_any_token_that_ends_an_answer_does_and_without_that_the_model_is_refused(
    tmp_path: Path,
) -> None:
    tokenizer = with_template(tmp_path, None, eos_token=None).tokenizer
    assert end_of_answer(PromptEncoder(tokenizer), tokenizer, frozenset({9, 7})) == 7
    with pytest.raises(UnsupportedModelError, match="eos_token_id"):
        end_of_answer(PromptEncoder(tokenizer), tokenizer, frozenset())


def test_a_template_that_rewrites_answers_does_not_tell_how_they_end(tmp_path: Path) -> None:
    template = "{% for m in messages %}<|im_start|>{{ m.content|upper }}{% endfor %}"
    tokenizer = with_template(tmp_path, template).tokenizer
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert end_of_answer(PromptEncoder(tokenizer), tokenizer, frozenset({start})) == tokenizer.eos_token_id


def test_an_answer_has_the_tokens_it_has_behind_its_prompt() -> None:
    """As in Llama-2: each text begins with a space, but an answer stands in the middle of one."""
    text = ["The box is blue", "<|user|>\n", "<|assistant|>\n", "What is it"] * 50
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.train_from_iterator(text, trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"]))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    )
    chat = Chat((Message("user", "What is it"), Message("assistant", "The box is blue")), (1,), "line 1")
    (row,) = rows_of([chat], tokenizer, frozenset({tokenizer.eos_token_id}), 500, LeftOut())
    turns = [{"role": m.role, "content": m.content} for m in chat.messages]
    whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
    assert whole[: len(row.input_ids)] == row.input_ids.tolist()


def test_a_chat_that_grows_beyond_the_context_is_not_read_to_its_end(demo: LoadedCheckpoint) -> None:
    turns = tuple(Message("assistant" if n % 2 else "user", "x y z") for n in range(1000))
    chat = Chat(turns, tuple(range(1, 1000, 2)), "line 1")
    made, left_out = rows(demo, chat, max_tokens=200)
    assert 5 < len(made) < 30
    assert len(left_out) <= 2
