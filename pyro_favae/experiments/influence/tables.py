"""Tables and figures as files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(
    out: Path, sections: Sequence[str], figures: Mapping[str, Figure], numbers: Mapping[str, Any]
) -> str:
    """Write ``table.md``, ``numbers.json`` and one PNG a figure into a folder, and return the table."""
    out.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(sections) + "\n"
    (out / "table.md").write_text(text, encoding="utf-8")
    (out / "numbers.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png", dpi=100)
        plt.close(figure)
    return text
