"""How networks are run while they learn: in what precision, and whether they are compiled."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from pyro_favae.errors import SpecError

PRECISIONS = ("full", "bfloat16")
COMPILERS = ("c++", "g++", "clang++", "cl")


class Execution:
    """Networks alone follow it: what they give is widened to the type of their parameters before it is used.

    Compiled networks share the parameters of those they are of, which keep their names and are what is saved.
    """

    def __init__(self, precision: str, compile: bool, device: torch.device) -> None:
        """Raises :class:`SpecError` for what the device or the machine does not do."""
        self.precision, self.compile = precision, compile
        if precision == "bfloat16":
            _require_bfloat16(device)
        if compile:
            _require_compiler(device)
        self._compiled: dict[nn.Module, Callable] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within it :func:`run` runs networks so."""
        token = _present.set(self)
        try:
            yield
        finally:
            _present.reset(token)

    def __call__(self, network: nn.Module, inputs: Tensor) -> Any:
        """What a network gives, a tensor or a tuple of them."""
        called = self._run_compiled if self.compile else _run_plainly
        if self.precision == "full":
            return called(network, inputs)
        if inputs.dtype == torch.float64:
            raise SpecError(
                f"precision='bfloat16': a {type(network).__name__} computes in float64, expected float32; use 'full'"
            )
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16):
            output = called(network, inputs)
        return _widened(output, inputs.dtype)

    def _run_compiled(self, network: nn.Module, inputs: Tensor) -> Any:
        if network not in self._compiled:
            self._compiled[network] = torch.compile(network)
        try:
            return self._compiled[network](inputs)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise SpecError(
                f"compile=True: a {type(network).__name__} cannot be compiled: {str(error).splitlines()[0]}; use "
                "compile=False"
            ) from error


_present: ContextVar[Execution | None] = ContextVar("execution", default=None)


def run(network: nn.Module, inputs: Tensor) -> Any:
    """What a network gives for inputs of its own type, run as it is, or as :meth:`Execution.running` says."""
    execution = _present.get()
    return _run_plainly(network, inputs) if execution is None else execution(network, inputs)


def _run_plainly(network: nn.Module, inputs: Tensor) -> Any:
    return network(inputs)


def _widened(output: Any, dtype: torch.dtype) -> Any:
    if isinstance(output, tuple | list):
        return type(output)(_widened(part, dtype) for part in output)
    return output.to(dtype) if isinstance(output, Tensor) else output


def _require_bfloat16(device: torch.device) -> None:
    unable = device.type == "cuda" and not torch.cuda.is_bf16_supported()
    if unable or not torch.amp.autocast_mode.is_autocast_available(device.type):
        raise SpecError(f"precision='bfloat16' cannot be had on the device {str(device)!r}; use 'full'")


def _require_compiler(device: torch.device) -> None:
    """Of the code that torch.compile writes: C++ for processors, Triton for GPUs."""
    if device.type == "cuda":
        found, needed = importlib.util.find_spec("triton") is not None, "the package triton"
    else:
        names = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
        found, needed = any(map(shutil.which, names)), f"a C++ compiler ({', '.join(names)})"
    if not found:
        raise SpecError(f"compile=True needs {needed}, which is not here; install it or leave compile=False")
