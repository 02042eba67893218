"""Where to compute."""

import torch

from pyro_favae.errors import SpecError, shown


def device_for(device: str | torch.device) -> torch.device:
    """Return the device meant, ``"auto"`` being a CUDA GPU where there is one; raises :class:`SpecError`."""
    if not isinstance(device, str | torch.device):
        raise SpecError(f"device is {shown(device)}, expected 'auto', 'cpu', 'cuda' or a torch.device")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SpecError(
            f"device {str(device)!r} cannot be used here: {error}; 'auto' takes what there is"
        ) from error
    return torch.device(device)
