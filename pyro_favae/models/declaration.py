"""Declarations: frozen, comparable descriptions of a model that round-trip through JSON."""

import dataclasses
import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pyro_favae.errors import SpecError, SpecWarning, shown
from pyro_favae.models.describe import as_code

LARGEST_COUNT = 2**31 - 1  # no machine holds more, and every library under this one can count so far

_KINDS: dict[str, type["Declaration"]] = {}


class Declaration:
    """Base of everything that is declared: views, priors, likelihoods, the model itself.

    Subclasses are frozen data classes. ``group`` is the name space of their JSON kind, for example
    ``"views"`` in ``"views.Real"``; a subclass without one is abstract.
    """

    group: ClassVar[str] = ""
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.group:
            _KINDS[f"{cls.group}.{cls.__name__}"] = cls
        type.__setattr__(
            cls, "__repr__", cls.__repr__
        )  # of the class itself, or dataclass would write another

    def __repr__(self) -> str:
        return as_code(self)


def to_json(declaration: Declaration) -> str:
    """Write a declaration as JSON text that :func:`from_json` reads back to an equal object.

    >>> from pyro_favae import from_json, priors
    >>> print(to_json(priors.Normal(2.0)))
    {
      "kind": "priors.Normal",
      "precision": 2.0
    }
    >>> from_json(to_json(priors.Normal(2.0))) == priors.Normal(2.0)
    True
    """
    return json.dumps(_encode(declaration), indent=2)


def from_json(text: str) -> Declaration:
    """Read a declaration; raises :class:`SpecError` for anything :func:`to_json` would not have written.

    Does not warn: who declared it was warned.

    >>> from_json('{"kind": "priors.Normal", "precision": -1}')
    Traceback (most recent call last):
    ...
    pyro_favae.errors.SpecError: priors.Normal: precision is -1, expected a finite number above 0
    """
    if not isinstance(text, str):
        raise SpecError(f"from_json: text is a {type(text).__name__}, expected what to_json wrote, a str")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SpecWarning)
            declaration = _decode(json.loads(text))
    except SpecError:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, nested too deep, or a number of too many digits
        raise SpecError(f"not the JSON of a declaration: {error}") from error
    if not isinstance(declaration, Declaration):
        raise SpecError(f"the JSON holds {type(declaration).__name__}, expected a declaration with a 'kind'")
    return declaration


def _encode(value: Any) -> Any:
    if isinstance(value, Declaration):
        fields = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": f"{value.group}.{type(value).__name__}", **fields}
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SpecError(f"a value of type {type(value).__name__} has no JSON form: {shown(value)}")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "kind" not in value or isinstance(value["kind"], dict):  # a mapping, in which "kind" may name a view
        return {key: _decode(item) for key, item in value.items()}
    fields = dict(value)
    kind = fields.pop("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise SpecError(f"unknown kind {shown(kind)}; known kinds: {', '.join(sorted(_KINDS))}")
    cls = _KINDS[kind]
    unknown = set(fields) - {field.name for field in dataclasses.fields(cls)}
    if unknown:
        raise SpecError(f"{kind} has no field {', '.join(sorted(map(repr, unknown)))}")
    try:
        return cls(**{name: _decode(item) for name, item in fields.items()})
    except TypeError as error:
        raise SpecError(f"{kind} cannot be built from {sorted(fields)}: {error}") from error


def require_positive(owner: str, **values: float) -> None:
    """Raise :class:`SpecError` unless every value is a finite number above zero."""
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not _finite(value) or value <= 0:
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected a finite number above 0")


def require_not_negative(owner: str, **values: float) -> None:
    """Raise :class:`SpecError` unless every value is a finite number of at least zero."""
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not _finite(value) or value < 0:
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected a finite number of at least 0")


def require_number(owner: str, **values: float) -> None:
    """Raise :class:`SpecError` unless every value is one finite number; True and False are 1 and 0."""
    for name, value in values.items():
        number = isinstance(value, bool | int | float | np.integer | np.floating | np.bool_)
        if not number or not _finite(value):
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected a finite number")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what double precision holds
        return False


def require_count(owner: str, *, least: int = 1, **values: int) -> None:
    """Raise :class:`SpecError` unless every value is a whole number from ``least`` to :data:`LARGEST_COUNT`."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected a whole number of at least {least}")
        if value > LARGEST_COUNT:
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected at most {LARGEST_COUNT}")


def require_flag(owner: str, **values: bool) -> None:
    """Raise :class:`SpecError` unless every value is True or False."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected True or False")


def require_name(owner: str, **values: str) -> None:
    """Raise :class:`SpecError` unless every value is text of at least one character."""
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected a non-empty string")


def require_choice(owner: str, choices: Iterable[str], **values: str) -> None:
    """Raise :class:`SpecError` unless every value is one of the choices."""
    for name, value in values.items():
        if not isinstance(value, str) or value not in choices:
            raise SpecError(f"{owner}: {name} is {shown(value)}, expected one of {', '.join(choices)}")


def counts_of(owner: str, name: str, counts: Sequence[int]) -> tuple[int, ...]:
    """Return whole numbers as a tuple; raises :class:`SpecError` unless there are any and all are at least one."""
    if isinstance(counts, str) or not isinstance(counts, Sequence) or not counts:
        raise SpecError(f"{owner}: {name} is {shown(counts)}, expected one or more whole numbers in a tuple")
    for count in counts:
        require_count(owner, **{name: count})
    return tuple(counts)
