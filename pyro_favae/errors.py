"""The library's own errors.

A message names the view concerned, what was seen, what was expected and the likely cause.
"""

LONGEST = 300  # characters of a value that a message shows


class FavaeError(Exception):
    """Base of every error that this library raises on purpose."""


class DataError(FavaeError, ValueError):
    """Data that do not fit: absent files, wrong shapes, ranges or types, rows that cannot be aligned."""


class SpecError(FavaeError, ValueError):
    """A declaration that cannot be meant: a contradictory or unknown view, prior, likelihood or option."""


class SpecWarning(UserWarning):
    """A declaration that works, but is hardly what was meant."""


class NumericalError(FavaeError, ArithmeticError):
    """A computation that broke down: a bound that is not finite, a precision not positive definite."""


class LoadError(FavaeError, ValueError):
    """A file that is no saved fit, is damaged, comes from another version, or lacks a network to restore."""


class SaveError(FavaeError, OSError):
    """A file that cannot be written: a full disk, a folder that is not there or may not be written to."""


class ProcessError(FavaeError, RuntimeError):
    """Another process of the group that shares a run does not answer: it has ended, or hangs."""


def shown(value: object) -> str:
    """A value as an error message shows it: what Python prints of it, cut off where that is long."""
    try:
        text = repr(value)
    except (
        Exception
    ) as error:  # whatever a value of the user's own raises, or an integer of thousands of digits
        return f"a {type(value).__name__} that cannot be printed ({error})"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
