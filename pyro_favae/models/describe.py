"""How declarations show themselves: as code that leaves defaults out, and as tables in notebooks."""

import dataclasses
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any


def kind_of(declaration: Any) -> str:
    """The name a declaration goes by, for example ``"views.Real"``; the model itself needs no name space."""
    name = type(declaration).__name__
    return name if declaration.group in ("", "models") else f"{declaration.group}.{name}"


def as_code(declaration: Any) -> str:
    """The call that declares it, on one line."""
    parts = [f"{name}={value!r}" for name, value in _changed(declaration).items()]
    return f"{kind_of(declaration)}({', '.join(parts)})"


def as_lines(declaration: Any) -> str:
    """The call that declares it, a line for each field and for each entry of a mapping."""
    parts = []
    for name, value in _changed(declaration).items():
        if isinstance(value, Mapping):
            entries = "".join(f"        {key!r}: {item!r},\n" for key, item in value.items())
            parts.append(f"    {name}={{\n{entries}    }},\n")
        else:
            parts.append(f"    {name}={value!r},\n")
    return f"{kind_of(declaration)}(\n{''.join(parts)})"


def _changed(declaration: Any) -> dict[str, Any]:
    """The fields that have no default, or not their default."""
    values = {}
    for field in dataclasses.fields(declaration):
        value = getattr(declaration, field.name)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING or value != default:
            values[field.name] = value
    return values


def model_table(model: Any) -> str:
    """HTML of a model: a row for each view."""
    head = ("view", "kind", "data", "latent dimensions", "weight prior", "noise prior", "likelihood")
    rows = [
        (name, kind_of(view), *_data(view), model.weights_of(name), model.noise_of(name), _likelihood(view))
        for name, view in model.views.items()
    ]
    caption = f"<b>FA-VAE</b>: {model.n_factors} shared factors, {escape(repr(model.factors))}"
    return caption + _table([_row("th", head), *(_row("td", row) for row in rows)])


def view_table(view: Any) -> str:
    """HTML of a view: a row for each thing said of it."""
    shape, latent_dim = _data(view)
    rows = {
        "data": shape,
        "latent dimensions": latent_dim,
        "likelihood": _likelihood(view),
        **({"objective": view.objective} if hasattr(view, "objective") else {}),
        "weight prior": view.weights or "the model's",
        "noise prior": view.noise or "the model's",
        "may lack": "rows and entries" if view.missing_entries else "rows",
    }
    lines = [f"<tr><th>{what}</th><td>{escape(str(value))}</td></tr>" for what, value in rows.items()]
    return f"<b>{escape(as_code(view))}</b>{_table(lines)}"


def _data(view: Any) -> tuple[str, int]:
    return f"({', '.join(map(str, ('rows', *view.event_shape)))})", view.latent_dim


def _likelihood(view: Any) -> str:
    """Behind a decoder there is a choice; elsewhere the kind of view says it."""
    return repr(view.likelihood) if hasattr(view, "likelihood") else "of its kind"


def _row(tag: str, cells: Iterable[Any]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"


def _table(rows: Iterable[str]) -> str:
    return f"<table>{''.join(rows)}</table>"
