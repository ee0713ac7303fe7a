"""The one shape of an error: where it happened, what is wrong, how to mend it.

Lives here because every package may import ``resources``. Library errors are wrapped once, at the border where
they enter (a store, an engine, a YAML file), into one of these. The command line prints them on one line.
"""

from __future__ import annotations

from typing import Any


class MathloomError(Exception):
    """Base of every error that a person can mend.

    Args:
        what: What is wrong, with the wrong value, as a sentence without a final full stop.
        where: File and line, asset key, or row id.
        fix: An order to the reader ("Add the column", "Run `pip install ...`").
        retryable: Whether the same call can succeed later without a change.
    """

    def __init__(self, what: str, *, where: str, fix: str, retryable: bool = False) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        self.retryable = retryable
        super().__init__(f"{where}: {what}. {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keyword-only arguments do not survive a pickle by themselves, and engines cross processes."""
        return _rebuild, (type(self), self.what, self.where, self.fix, self.retryable)


def _rebuild(cls: type[MathloomError], what: str, where: str, fix: str, retryable: bool) -> MathloomError:
    return cls(what, where=where, fix=fix, retryable=retryable)


class RecipeError(MathloomError):
    """A recipe, profile, prompt or project file says something that cannot be built."""


class SqlFileError(MathloomError):
    """A ``.sql`` file breaks its own header, names an unknown table, or does not return what it declares."""


class SeedError(MathloomError):
    """A seed source is absent, empty, or lacks a column. A bad *row* is a reject, never this."""


class FileError(MathloomError):
    """A file that a command was given (completions to import, an export to write) is not what it must be."""


class StoreError(MathloomError):
    """The store on disk cannot be read or written (permission, full disk, a broken manifest)."""


class EngineError(MathloomError):
    """An engine cannot start, died, or refuses what it is asked."""


class LimitError(MathloomError):
    """A build would spend, or has spent, more than its profile allows. What was answered is stored."""


class LawError(MathloomError):
    """Rows appeared or vanished: a stage broke the conservation law that its kind declares."""


class CheckError(MathloomError):
    """A blocking check found rows that must not exist; the version was not promoted."""


class KindError(MathloomError):
    """The code of a kind raised an error of its own: a fault there, or a row that it did not expect."""


class BusyError(MathloomError):
    """Another build holds the lock of this environment."""


class HubError(MathloomError):
    """A repository of datasets refuses, cannot be reached, or has moved on since it was looked at."""


class ReleaseError(MathloomError):
    """A release may not go out. The message lists every reason at once."""


class MissingExtraError(MathloomError):
    """An optional package is needed now and not installed; ``fix`` is the pip command."""

    @classmethod
    def of(cls, package: str, extra: str, *, where: str) -> MissingExtraError:
        """The error for ``package``, which ``pip install 'mathloom[extra]'`` brings."""
        return cls(
            f"the package {package!r} is needed here and is not installed",
            where=where,
            fix=f"Run: pip install 'mathloom[{extra}]'",
        )
