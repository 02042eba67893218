"""Import every module of a package, so that a new file there registers itself."""

import importlib
import pkgutil


def import_submodules(package: str, path: list[str]) -> None:
    """Import the modules directly in a package, given its ``__name__`` and ``__path__``."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
