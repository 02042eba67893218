"""Where to compute."""

import os

import torch

from pyro_favae.errors import SpecError, shown
from pyro_favae.inference.processes import Processes


def device_for(device: str | torch.device) -> torch.device:
    """Return the device meant, ``"auto"`` being a CUDA GPU where there is one; raises :class:`SpecError`.

    Several processes on a machine take a GPU each, by the number that torchrun gives them.
    """
    if not isinstance(device, str | torch.device):
        raise SpecError(f"device is {shown(device)}, expected 'auto', 'cpu', 'cuda' or a torch.device")
    if device == "auto":
        return _automatic()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SpecError(
            f"device {str(device)!r} cannot be used here: {error}; 'auto' takes what there is"
        ) from error
    return torch.device(device)


def _automatic() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if Processes.present().count == 1:
        return torch.device("cuda")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
