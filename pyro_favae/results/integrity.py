"""Whether a saved file is still what was written, and no larger inside than outside."""

import hashlib
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pyro_favae.errors import LoadError, SpecError

DIGEST = "sha256"  # its name in the header


def digest(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of all texts but itself and of all tensors, their names, types and shapes included."""
    sums = hashlib.sha256()
    for name in sorted(set(header) - {DIGEST}):
        _add(sums, name, header[name])
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        _add(sums, name, f"{value.dtype} {tuple(value.shape)}")
        sums.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return sums.hexdigest()


def _add(sums, *texts: str) -> None:
    """Each text after its length, so that no two lists of texts look alike."""
    for text in texts:
        content = text.encode()
        sums.update(len(content).to_bytes(8, "big"))
        sums.update(content)


def require_intact(path: str, header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Raise :class:`LoadError` unless the header holds the digest of everything else.

    It finds damage and careless edits. It is no signature: who means harm can write a digest too.
    """
    if header.get(DIGEST) != digest(header, tensors):
        raise LoadError(
            f"{path!r} is damaged or was changed after it was saved: its contents do not match their digest"
        )


def require_room(build: Callable[[], Mapping[str, nn.Module]], tensors: Mapping[str, Tensor]) -> None:
    """Raise :class:`LoadError` if modules would hold larger tensors than the file does, before any memory is taken.

    A declaration of a few bytes may ask for any amount. What reads numbers while it is built, as fixed noise, custom
    priors and some networks of a user's own do, cannot be measured without memory and is not.
    """
    try:
        with torch.device("meta"):
            modules = build()
    except (RuntimeError, SpecError) as error:  # a custom prior says in its own words what torch said
        if "meta" in str(error):
            return
        raise
    for prefix, module in modules.items():
        for name, value in module.state_dict().items():
            held = tensors.get(f"{prefix}.{name}")
            if value.is_meta and (held is None or held.numel() < value.numel()):
                seen = "none" if held is None else f"shape {tuple(held.shape)}"
                raise LoadError(f"tensor {prefix}.{name} has {seen}, declared is {tuple(value.shape)}")
