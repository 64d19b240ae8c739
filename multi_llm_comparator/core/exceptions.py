"""Every error this project raises on purpose.

    MultiLLMError
    ├── ModelNotFoundError          no such model, or nothing found where one looked
    ├── ModelLoadError              a model that cannot be loaded
    │   ├── UnsupportedModelError   ... because we cannot run this kind (no weights, unknown type, vocabulary only)
    │   └── InsufficientMemoryError ... because it would not fit; carries the numbers
    ├── InferenceError              a request that failed while it ran
    │   ├── ContextOverflowError    prompt and answer do not fit into the context
    │   ├── ConversationRefusedError the model's chat template takes no such conversation
    │   │   └── ToolsRefusedError   ... because it has no tools, or writes calls in a form that is not read here
    │   ├── ModelProcessDied        the model's process crashed or was killed
    │   ├── ModelProcessHung        the model's process made no step for too long, or did not stop when told
    │   ├── ModelProcessOverLimit   the model's process took too much memory or time and was ended
    │   ├── AnswerInterrupted       the workbench ended while the answer was being written
    │   ├── EmptyAnswerError        the model ended its answer without a word
    │   ├── RequestRefusedError     the endpoint found the request itself wrong: asking again changes nothing
    │   │   └── GrammarError        ... the constraint cannot be read, or this model cannot be held to it
    │   ├── KeyRefusedError         the endpoint's key is missing, wrong or not allowed
    │   ├── RateLimitedError        the endpoint asks to come back later
    │   ├── ProviderUnavailableError no connection, a server error, a stream cut or unreadable
    │   │   └── FirstTokenTimeoutError  ... connected, but no text in time
    │   ├── DeadlineExceededError   the request's total time is over
    │   ├── LimitExceededError      a limit of ours is reached and the request cannot wait for it
    │   │   └── QueueFullError      ... because too many wait already
    │   ├── CircuitOpenError        the model failed too often lately and is left alone for a while
    │   ├── BudgetExceededError     the call could cost more than the budget has left
    │   └── NoModelAvailableError   no model behind the target can take the request
    ├── ConfigurationError          a setting that is wrong
    │   ├── HomeTakenError          another workbench has the home folder or the database
    │   └── InvalidParameterError   ... a generation parameter out of range (also a ValueError)
    ├── NotAllowedError             the caller's key may not do this
    ├── RunNotFoundError            no stored run under this id
    ├── RunAtWorkError              another process is at work on the run
    ├── PlanError                   a plan that cannot be used; its kinds are in :mod:`plans.errors`
    ├── JobError                    a job that could not be started, or broke
    ├── TrainingError               a model that could not be tuned
    ├── ConversionError             a model that could not be converted for a reason outside its files
    ├── StoreError                  the database cannot be opened, read or written
    │   ├── DamagedStoreError       ... because its file is damaged
    │   └── RunConflictError        ... another program has written the run meanwhile
    ├── NotWrittenError             a file that could not be written; it is as it was (also an OSError)
    ├── DocumentError               a file to be read in (an exported run, presets) is not what it should be
    └── DownloadError               a model that could not be fetched

A message says what is wrong, quotes what it names with ``!r`` and says what to do next: pages show it as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MultiLLMError(Exception):
    """Root of all errors of this project."""


class ModelNotFoundError(MultiLLMError):
    """No model under this id or path."""


class ModelLoadError(MultiLLMError):
    """A model could not be loaded."""


class UnsupportedModelError(ModelLoadError):
    """The file is readable but is not something this project can run."""


class InsufficientMemoryError(ModelLoadError):
    """Loading would exceed the memory limit.

    Args:
        message: what a person should read.
        needed_bytes: estimate for the model that was asked for.
        available_bytes: what is left under the limit, after unloading everything idle.
    """

    def __init__(self, message: str, *, needed_bytes: int = 0, available_bytes: int = 0) -> None:
        super().__init__(message)
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes


class InferenceError(MultiLLMError):
    """A request failed while it ran."""


class ContextOverflowError(InferenceError):
    """Prompt and answer do not fit into the model's context."""


class ModelProcessDied(InferenceError):
    """The process that held the model is gone; the next request starts a new one."""


class ModelProcessHung(InferenceError):
    """The process that held the model made no step for the set time, or did not stop when told, and was killed."""


class ModelProcessOverLimit(InferenceError):
    """The process that held the model took more memory or time than it may, and was killed."""


class EmptyAnswerError(InferenceError):
    """The model ended its answer without a word in it."""


class AnswerInterrupted(InferenceError):
    """The workbench ended while the answer was being written; what was saved of it can be continued."""


class RequestRefusedError(InferenceError):
    """The endpoint found the request itself wrong (HTTP 400, 422): it is neither retried nor sent elsewhere."""


class ConversationRefusedError(InferenceError):
    """The model's chat template takes no such conversation; another model's may."""


class ToolsRefusedError(ConversationRefusedError):
    """The request has tools, and the model's chat template has none; another model's may."""


CANNOT_WRITE = "the constraint wants a text that this model has no tokens for; ask without it, or ask another model"


class GrammarError(RequestRefusedError):
    """The request's constraint cannot be read, or the model that is asked cannot write what it wants."""


class KeyRefusedError(InferenceError):
    """The endpoint refused the key (HTTP 401, 403), or there is none."""


class RateLimitedError(InferenceError):
    """The endpoint asks to come back later (HTTP 429).

    Args:
        message: what a person should read.
        retry_after_s: seconds the endpoint asks to wait; None when it does not say.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProviderUnavailableError(InferenceError):
    """The endpoint cannot be reached, fails (HTTP 5xx), or its stream was cut or cannot be read."""


class FirstTokenTimeoutError(ProviderUnavailableError):
    """The endpoint took the request but sent no text in time."""


class DeadlineExceededError(InferenceError):
    """The request's total time is over, with all waiting, retries and fallbacks."""


class LimitExceededError(InferenceError):
    """A limit of concurrency, requests or tokens is reached and the request cannot wait for it."""


class QueueFullError(LimitExceededError):
    """As many requests as may wait for a limit wait already."""


class CircuitOpenError(InferenceError):
    """The model failed too often lately; it is left alone until its recovery time is over."""


class BudgetExceededError(InferenceError):
    """The call could cost more than a budget has left; nothing was spent."""


class NoModelAvailableError(InferenceError):
    """No model behind the target can take this request."""


class ConfigurationError(MultiLLMError):
    """A setting is wrong."""


class HomeTakenError(ConfigurationError):
    """Another workbench has the home folder, or the database, in use."""


class InvalidParameterError(ConfigurationError, ValueError):
    """A generation parameter is out of its range."""


class NotAllowedError(MultiLLMError):
    """The key of whoever asks may not do this, or not with this model."""


class RunNotFoundError(MultiLLMError):
    """No stored run has this id."""


class RunAtWorkError(MultiLLMError):
    """Another process is at work on the run, or on the folder that it is kept in."""


class PlanError(MultiLLMError):
    """A plan that cannot be used as it is."""


class JobError(MultiLLMError):
    """The process of a job could not be started, or what it did broke."""


class TrainingError(MultiLLMError):
    """A model could not be tuned."""


class ConversionError(MultiLLMError):
    """A model could not be converted, its files are not to blame: the place is taken, the disk full, too many wait."""


class StoreError(MultiLLMError):
    """The database of runs cannot be opened, read or written."""


class DamagedStoreError(StoreError):
    """The file of the database is damaged, or is no database."""


class RunConflictError(StoreError):
    """The run was written by another program since it was last read or written here; nothing was written now."""


class NotWrittenError(MultiLLMError, OSError):
    """A file could not be written, and is as it was before."""

    def __str__(self) -> str:
        if self.filename is None:
            return super().__str__()
        return f"{str(self.filename)!r} was not written: {self.strerror}; it is as it was before"


class DocumentError(MultiLLMError):
    """A file that was to be read in is not what it should be, or is larger than allowed."""


class DownloadError(MultiLLMError):
    """A model could not be downloaded."""


def error_from_name(name: str, message: str) -> MultiLLMError:
    """Rebuild an error that crossed a process boundary as ``(type name, message)``; InferenceError if unknown."""
    found = _tree(MultiLLMError).get(name, InferenceError)
    return found(message)


def kind_of_all(kinds: Iterable[str]) -> str:
    """The type's name that stands for what failed in several places: theirs if it is one, a spent budget if that is
    among them (the rest may have failed of it, and asking again changes nothing), else InferenceError."""
    found = set(kinds)
    if BudgetExceededError.__name__ in found:
        return BudgetExceededError.__name__
    return found.pop() if len(found) == 1 else InferenceError.__name__


def _tree(root: type[MultiLLMError]) -> dict[str, type[MultiLLMError]]:
    names = {root.__name__: root}
    for child in root.__subclasses__():
        names.update(_tree(child))
    return names
