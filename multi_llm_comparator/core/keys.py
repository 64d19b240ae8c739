"""Keys of endpoints: from the environment, a ``.env`` file, or a store encrypted with Fernet.

A configuration names a key (``env:OPENAI_API_KEY``, ``store:openai``) and never holds one. A key travels as
pydantic's ``SecretStr``, which shows as stars, and :func:`scrub` takes it out of texts that others wrote.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from dotenv import dotenv_values
from pydantic import SecretStr

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.settings import get_settings

MASTER_KEY_VARIABLE = "MLC_MASTER_KEY"
HIDDEN = "[key]"
MAX_STORE_BYTES = 1 << 20
# What keys of the usual providers look like, for those that an endpoint quotes although they are not ours.
_LOOKS_LIKE_KEY = re.compile(r"(?i)\b(?:sk|pk|gsk|xai|hf)[-_][\w*.-]{6,}|\bAIza[\w-]{20,}|(?<=bearer )\S{6,}")


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
        return (store or KeyStore()).get(name)
    value = os.environ.get(name) or (dotenv_values(dotenv).get(name) if dotenv.is_file() else None)
    if not value:
        raise ConfigurationError(f"the variable {name!r} is set neither in the environment nor in {str(dotenv)!r}")
    return SecretStr(value)


def scrub(text: str, secrets: Iterable[SecretStr | None] = ()) -> str:
    """``text`` without ``secrets`` and without anything that looks like a provider's key."""
    for secret in secrets:
        if secret is not None and len(value := secret.get_secret_value()) >= 4:
            text = text.replace(value, HIDDEN)
    return _LOOKS_LIKE_KEY.sub(HIDDEN, text)
