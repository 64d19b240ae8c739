"""Keys of endpoints: from the environment, a ``.env`` file, or a store encrypted with Fernet.

A configuration names a key (``env:OPENAI_API_KEY``, ``store:openai``) and never holds one. A key travels as
pydantic's ``SecretStr``, which shows as stars. Every key that is used is remembered, so that :func:`scrub` takes it out
of what others say in errors, :class:`KeyMask` out of their answers, and :func:`hide_keys` out of the log.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import stat
import traceback
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from dotenv import dotenv_values
from pydantic import SecretStr

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_bytes, read_text
from multi_llm_comparator.core.settings import get_settings

MASTER_KEY_VARIABLE = "MLC_MASTER_KEY"
HIDDEN = "[key]"
MAX_STORE_BYTES = 1 << 20
MAX_DOTENV_BYTES = 1 << 18
# Shorter ones are words in answers: a server of one's own may be given "none" or "secret" as its key.
MIN_KEY_CHARS, MIN_KEY_CHARS_IN_ANSWERS = 4, 8
# So many characters of a key's beginning are a part of it that must not be shown either.
MIN_PART_CHARS = 12
# Beyond so many, whatever could belong to a key is taken for the rest of it.
MAX_COMPARED_CHARS = 64
MAX_REMEMBERED = 1000
# What keys of the usual providers look like, for those that an endpoint quotes although they are not ours.
_LOOKS_LIKE_KEY = re.compile(r"(?i)\b(?:sk|pk|gsk|xai|hf|mlc)[-_][\w*.-]{6,}|\bAIza[\w-]{20,}|(?<=bearer )\S{6,}")

# All keys that this process has used and what is masked for each, oldest first.
_used: dict[str, re.Pattern[str]] = {}


class KeyStore:
    """Keys by name in one encrypted file of mode 600.

    The master key comes from ``MLC_MASTER_KEY``, else from ``master.key`` beside the store, made on first use.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or get_settings().home / "keys"
        self._path = self._folder / "keys.enc"

    def names(self) -> list[str]:
        return sorted(self._read())

    def get(self, name: str) -> SecretStr:
        """The key called ``name``.

        Raises:
            ConfigurationError: there is none, or the store cannot be opened.
        """
        keys = self._read()
        if name not in keys:
            raise ConfigurationError(
                f"no key named {name!r} in the key store; known are {', '.join(sorted(keys)) or 'none'}"
            )
        return SecretStr(keys[name])

    def set(self, name: str, key: SecretStr) -> None:
        if not re.fullmatch(r"[\w.-]{1,100}", name):
            raise ConfigurationError(f"a key's name is 1 to 100 letters, digits, '_', '-' or '.', not {name!r}")
        self._write({**self._read(), name: key.get_secret_value()})

    def delete(self, name: str) -> None:
        self._write({k: v for k, v in self._read().items() if k != name})

    def _fernet(self) -> Fernet:
        given = os.environ.get(MASTER_KEY_VARIABLE)
        path = self._folder / "master.key"
        if not given and not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(path, Fernet.generate_key().decode(), mode=0o600)
        if not given:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigurationError(f"others can read the master key {str(path)!r}: chmod 600 it, or replace it")
            given = read_bytes(path, MAX_STORE_BYTES).decode("ascii").strip()
        try:
            return Fernet(given)
        except ValueError:
            # The cause is left out on purpose: it may quote the key.
            where = MASTER_KEY_VARIABLE if MASTER_KEY_VARIABLE in os.environ else str(path)
            raise ConfigurationError(f"{where!r} is no Fernet key (32 bytes in URL-safe base64)") from None

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        try:
            token = read_bytes(self._path, MAX_STORE_BYTES)
        except OSError as exc:
            raise ConfigurationError(f"the key store {str(self._path)!r} cannot be read: {exc.strerror}") from exc
        try:
            data = json.loads(self._fernet().decrypt(token))
        except (InvalidToken, ValueError):
            raise ConfigurationError(
                f"the key store {str(self._path)!r} cannot be opened with this master key"
            ) from None
        return {str(name): str(key) for name, key in data.items()}

    def _write(self, keys: dict[str, str]) -> None:
        token = self._fernet().encrypt(json.dumps(keys).encode())
        write_atomically(self._path, token.decode(), mode=0o600)


def resolve_key(reference: str, *, dotenv: Path = Path(".env"), store: KeyStore | None = None) -> SecretStr:
    """The key that ``reference`` names: ``env:NAME`` (environment, then ``.env``) or ``store:NAME``.

    Raises:
        ConfigurationError: there is no such key; the message names the reference, never a value.
    """
    source, _, name = reference.partition(":")
    if source == "store":
        key = (store or KeyStore()).get(name)
    else:
        value = os.environ.get(name) or (_in_dotenv(dotenv, name) if dotenv.is_file() else None)
        if not value:
            raise ConfigurationError(f"the variable {name!r} is set neither in the environment nor in {str(dotenv)!r}")
        key = SecretStr(value)
    remember_key(key)
    return key


def _in_dotenv(path: Path, name: str) -> str | None:
    """What a ``.env`` file says of ``name``. Variables in it stay text: a few lines of them make any length."""
    try:
        text = read_text(path, MAX_DOTENV_BYTES)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{str(path)!r} cannot be read for {name!r}: {exc}") from exc
    return dotenv_values(stream=io.StringIO(text), interpolate=False).get(name)


def remember_key(key: SecretStr) -> None:
    """Have a key masked from now on wherever others repeat it."""
    value = key.get_secret_value()
    if len(value) >= MIN_KEY_CHARS:
        _used[value] = _used.pop(value) if value in _used else _pattern(value)
        while len(_used) > MAX_REMEMBERED:
            del _used[next(iter(_used))]


def scrub(text: str) -> str:
    """What a server or a library says of a failure, without keys of ours and what looks like a provider's key."""
    return _LOOKS_LIKE_KEY.sub(HIDDEN, mask_keys(text, MIN_KEY_CHARS))


def mask_keys(text: str, shortest: int = MIN_KEY_CHARS_IN_ANSWERS) -> str:
    """``text`` without the keys in use of so many characters or more, whole or cut off.

    What merely looks like a key is left, for answers may well speak of ``hf_hub_download``.
    """
    for key, pattern in _used.items():
        if len(key) >= shortest:
            text = pattern.sub(HIDDEN, text)
    return text


def _pattern(key: str) -> re.Pattern[str]:
    """What is masked for a key: all of it, and of a long one as much of its beginning as stands there."""
    if len(key) < 2 * MIN_PART_CHARS:
        return re.compile(re.escape(key))
    rest = r"[\w.-]*" if len(key) > MAX_COMPARED_CHARS else ""
    for character in reversed(key[MIN_PART_CHARS:MAX_COMPARED_CHARS]):
        rest = f"(?:{re.escape(character)}{rest})?"
    return re.compile(f"{re.escape(key)}|{re.escape(key[:MIN_PART_CHARS])}{rest}")


class KeyMask:
    """Masks keys in a text that arrives in pieces, which may cut a key anywhere."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, piece: str) -> str:
        """What can be shown by now; the end is held back while a key could begin with it."""
        text = self._held + piece
        held = max((_begun(text, key) for key in _used if len(key) >= MIN_KEY_CHARS_IN_ANSWERS), default=0)
        self._held = text[len(text) - held :]
        return mask_keys(text[: len(text) - held])

    def flush(self) -> str:
        """The rest, at the end."""
        held, self._held = self._held, ""
        return mask_keys(held)


def _begun(text: str, key: str) -> int:
    """How many characters at the end of ``text`` are the beginning of ``key``, but not all of it."""
    start = max(0, len(text) - len(key) + 1)
    at = text.find(key[0], start)
    while at >= 0:
        if key.startswith(text[at:]):
            return len(text) - at
        at = text.find(key[0], at + 1)
    return 0


def hide_keys(record: logging.LogRecord) -> bool:
    """Mask keys in a line of the log and its traceback; a filter for handlers."""
    if _used:
        with contextlib.suppress(TypeError, ValueError):  # a line that cannot be formatted is the handler's to report
            record.msg, record.args = mask_keys(record.getMessage()), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = mask_keys("".join(traceback.format_exception(*record.exc_info)).rstrip())
    return True
