"""The demo models' tokenizer: byte-level BPE with few, deliberate merges.

Text is split exactly as Qwen2's tokenizer splits it (every digit alone), so that a GGUF file that names the
pre-tokenizer "qwen2" cuts it the same way. The merges are not learnt by pair frequency but chosen as prefix trees:

- a Latin token longer than one letter starts with a space or a capital, so a word in quotes is spelt letter by
  letter and the models can reverse it or count its letters;
- each Chinese character of the world is one token, grown from its bytes; so are the commonest pairs of them.

Every byte is in the vocabulary, so any text survives a round trip.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
ROLE_LINES = ("system\n", "user\n", "assistant\n")
"""One token each: they would otherwise be spelt out at the head of every turn."""

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LATIN_TOKENS = 440
CHINESE_PAIRS = 64
PUNCTUATION_TOKENS = 16

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{%- generation %}{{- message['content'] + '<|im_end|>' }}{%- endgeneration %}"
    "{{- '\\n' }}"
    "{%- else %}"
    "{{- message['content'] + '<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
Merge = tuple[str, str]


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _byte_letters() -> dict[int, str]:
    """The printable letter that stands for each byte in a byte-level vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in letters]
    return letters | {byte: chr(256 + i) for i, byte in enumerate(others)}


def _prefix_merges(weights: Counter[str], pattern: str, limit: int) -> list[Merge]:
    """The `limit` heaviest prefixes of the pieces that match `pattern`, each as the merge that makes it.

    A prefix weighs at least as much as anything longer, so the chosen ones form a tree.
    """
    nodes: Counter[str] = Counter()
    for piece, weight in weights.items():
        found = re.match(pattern, piece)
        for length in range(2, len(found[0]) + 1 if found else 0):
            nodes[piece[:length]] += weight
    heaviest = sorted(nodes, key=lambda node: (-nodes[node], len(node), node))[:limit]
    return [(node[:-1], node[-1]) for node in heaviest]


def _character_merges(texts: list[str]) -> list[Merge]:
    """Merges that make each character beyond ASCII one token."""
    byte_letters = _byte_letters()
    merges: dict[Merge, None] = {}
    for character in sorted({c for text in texts for c in text if ord(c) > 127}):
        letters = [byte_letters[byte] for byte in character.encode("utf-8")]
        for length in range(1, len(letters)):
            merges["".join(letters[:length]), letters[length]] = None
    return list(merges)


def _pair_merges(texts: list[str], limit: int) -> list[Merge]:
    """Merges of the commonest pairs of neighbouring Chinese characters."""
    byte_letters = _byte_letters()
    pairs: Counter[str] = Counter()
    for text in texts:
        for run in re.findall(r"[\u4e00-\u9fff]+", text):
            pairs.update(run[i : i + 2] for i in range(len(run) - 1))
    commonest = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:limit]
    spelt = [["".join(byte_letters[byte] for byte in c.encode("utf-8")) for c in pair] for pair in commonest]
    return [(first, second) for first, second in spelt]


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that must exist. Raises KeyError for a tokenizer that is not a demo model's."""
    index: int | None = tokenizer.token_to_id(token)
    if index is None:
        raise KeyError(f"the tokenizer has no token {token!r}; use one that `build_tokenizer` made")
    return index


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer for the world that `texts` (prompts and answers) sample."""
    sample = list(texts)
    splitter = _splitter()
    pieces: Counter[str] = Counter(piece for text in sample for piece, _ in splitter.pre_tokenize_str(text))
    merges = [
        *_character_merges(sample),
        *_prefix_merges(pieces, r"\u0120?[A-Z][a-z]*|\u0120[a-z]+", LATIN_TOKENS),
        *_prefix_merges(pieces, r"\u0120[!-/:-@]+|[!-/:-@]+(?=\u010a|$)", PUNCTUATION_TOKENS),
        *_pair_merges(sample, CHINESE_PAIRS),
    ]
    tokens = [*sorted(_byte_letters().values()), *("".join(merge) for merge in merges)]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in (END_OF_TEXT, TURN_START, TURN_END)])
    tokenizer.add_tokens([AddedToken(line, normalized=False) for line in ROLE_LINES])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_tokens: int) -> None:
    """Writes tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        # The plain class: named classes rebuild the splitter instead of reading it from tokenizer.json.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_tokens,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "bos_token": None,
        "unk_token": None,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
