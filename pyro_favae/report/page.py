"""Pieces of a page, every name and number in them escaped, and the page they make up."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from io import BytesIO
from string import Template
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from pyro_favae.plots.canvas import figure_of

DPI = 150  # of pictures, twice what most screens show
PIXELS = 82  # of the page that an inch of a picture takes


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, as HTML."""

    title: str
    parts: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """What the table of contents points to."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())

    def __str__(self) -> str:
        body = "\n".join(self.parts)
        return f'<section id="{escape(self.anchor)}">\n<h2>{escape(self.title)}</h2>\n{body}\n</section>'


def page(title: str, byline: str, facts: Mapping[str, Any], sections: Iterable[Section]) -> str:
    """The whole page; title, byline and facts as plain text."""
    sections = list(sections)
    entries = "".join(
        f"<dl><dt>{escape(what)}</dt><dd>{escape(str(value))}</dd></dl>" for what, value in facts.items()
    )
    return Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        byline=escape(byline),
        facts=f'<div class="facts">{entries}</div>',
        contents="\n".join(f'<a href="#{escape(s.anchor)}">{escape(s.title)}</a>' for s in sections),
        sections="\n".join(map(str, sections)),
    )


def text(words: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(words)}</p>"


def note(words: str) -> str:
    """A paragraph that must not be overlooked."""
    return f'<p class="note">{escape(words)}</p>'


def heading(words: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(words)}</h3>"


def bullets(lines: Iterable[str]) -> str:
    """A list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def folded(summary: str, code: str) -> str:
    """Code that shows when asked for."""
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(code)}</pre></details>"


def table(frame: pd.DataFrame, digits: int = 3) -> str:
    """A data frame, numbers to the right and to so many significant digits, a dash for what there is none of."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]
    head = _cell("th", frame.index.name or "") + "".join(
        _cell("th", column, right) for column, right in zip(frame.columns, numeric, strict=True)
    )
    rows = [
        _cell("th", name)
        + "".join(_cell("td", _shown(v, digits), right) for v, right in zip(row, numeric, strict=True))
        for name, row in zip(frame.index, frame.itertuples(index=False), strict=True)
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def picture(ax: Axes, caption: str) -> str:
    """The figure that Axes belong to, in the page itself; closes it."""
    figure, buffer = figure_of(ax), BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    plt.close(figure)
    encoded = b64encode(buffer.getvalue()).decode("ascii")
    width = round(PIXELS * figure.get_figwidth())
    return (
        f'<figure><img width="{width}" alt="{escape(caption)}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _cell(tag: str, value: Any, right: bool = False) -> str:
    kind = ' class="number"' if right else ""
    return f"<{tag}{kind}>{escape(str(value))}</{tag}>"


def _shown(value: Any, digits: int) -> str:
    if isinstance(value, float):
        if pd.isna(value):
            return "–"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
