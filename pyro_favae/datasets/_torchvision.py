"""Import torchvision even where its compiled operators are missing.

A torchvision built for CUDA cannot load its operators beside a CPU-only torch, and `import torchvision`
then fails with `operator torchvision::nms does not exist`, although its data sets and transforms need none.
"""

import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType

import torch


@contextlib.contextmanager
def skip_missing_operators() -> Iterator[None]:
    """Skip, inside the block, kernels registered for `torchvision::` operators that do not exist."""
    original = torch.library.Library.impl

    def impl(self, *args, **kwargs):
        try:
            return original(self, *args, **kwargs)
        except RuntimeError as error:
            message = str(error)
            if "operator torchvision::" not in message or "does not exist" not in message:
                raise
            return None

    torch.library.Library.impl = impl  # type: ignore[method-assign]  # inside the block
    try:
        yield
    finally:
        torch.library.Library.impl = original  # type: ignore[method-assign]  # as it was


def import_torchvision() -> ModuleType:
    """Return `torchvision`; where its operators are present this is a plain import."""
    with skip_missing_operators():
        return importlib.import_module("torchvision")
