"""Command line: `pyro-favae demo`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pyro_favae import __version__
from pyro_favae.errors import FavaeError
from pyro_favae.experiments.demo import SOURCES, run_demo


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, or 1 with the error's message on standard error."""
    options = _parser().parse_args(arguments)
    try:
        print(run_demo(options.data, options.root, options.out, epochs=options.epochs, seed=options.seed))
    except (FavaeError, OSError) as error:
        print(f"pyro-favae: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-favae", description="Factor-analysis variational autoencoders."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="fit real handwritten digits and their attributes, and look")
    demo.add_argument("--out", type=Path, default=Path("favae-demo"), help="folder for figures and the fit")
    demo.add_argument("--data", choices=sorted(SOURCES), default="digits")
    demo.add_argument("--root", type=Path, help="folder that holds MNIST/raw, for --data mnist")
    demo.add_argument("--epochs", type=int, help="passes over the data; fewer is quicker and worse")
    demo.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
