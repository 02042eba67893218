"""A view's networks, trained: alone, or taken out of a fit."""

import os
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from pyro_favae.data import prepare
from pyro_favae.errors import LoadError, SpecError
from pyro_favae.inference.device import device_for
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.models.declaration import from_json, require_count, to_json
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.views import DecoderView
from pyro_favae.results.integrity import require_room
from pyro_favae.results.predictive import CHUNK, generator_for
from pyro_favae.results.storage import BROKEN, read_history, read_tensors, restore, write_modules

FORMAT = "pyro_favae.pretrained"
NAME = "data"  # of the view in a model of its own


class Pretrained:
    """A plain VAE, z ~ N(0, I): an encoder and a decoder to plug in by ``fv.fit(..., pretrained={name: this})``.

    view: its declaration. history: data frame, one row a pass of its training.
    """

    def __init__(self, guide: FAVAEGuide, history: pd.DataFrame) -> None:
        self.guide = guide
        self.history = history

    @classmethod
    def taken(cls, guide: FAVAEGuide, name: str) -> "Pretrained":
        """A copy of the networks of one view of a trained guide."""
        view = guide.declaration.views[name]
        if not isinstance(view, DecoderView):
            raise SpecError(
                f"view {name!r} is a {type(view).__name__}: it has no networks to take out of a fit"
            )
        own = one_view_guide(view)
        own.model.emission(NAME).load_state_dict(guide.model.emission(name).state_dict())
        own.inference(NAME).load_state_dict(guide.inference(name).state_dict())
        return cls(own.to(guide.device).eval(), pd.DataFrame())

    @property
    def view(self) -> DecoderView:
        """What was declared."""
        return self.guide.decoder_view(NAME)

    def plug_into(self, guide: FAVAEGuide, name: str) -> None:
        """Copy the networks into a view of another guide, whose declaration they must fit."""
        other = guide.declaration.views[name]
        emission, inference = guide.model.emission(name), guide.inference(name)
        try:
            emission.load_state_dict(self.guide.model.emission(NAME).state_dict())
            inference.load_state_dict(self.guide.inference(NAME).state_dict())
        except RuntimeError as error:
            raise SpecError(
                f"view {name!r}: the pretrained networks are of {self.view!r}, which do not fit {other!r}: {error}"
            ) from error

    @torch.no_grad()
    def encode(self, data: Any) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of q(z | x), each (rows, D); NaN for rows without data.

        Side by side they are what ``fv.views.Frozen(D, variances=True)`` takes.
        """
        parts, snapshot = [], self.guide.snapshot()
        dataset = prepare(self.guide.declaration, {NAME: data})
        for batch in dataset.in_order(CHUNK, self.guide.device):
            views = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot)
            rows = cast(EncodedRows, views[NAME])
            moments = torch.stack([rows.mean, rows.latent_variance])
            parts.append(moments.where(rows.mask > 0, torch.nan).cpu())
        mean, variance = torch.cat(parts, 1).numpy()
        return mean, variance

    @torch.no_grad()
    def decode(self, latents: Any) -> np.ndarray:
        """E[x | z], (rows, *event), of latents (rows, D)."""
        latents = torch.as_tensor(latents).to(self.guide.device)
        parts = [self.guide.model.emission(NAME).decode(part) for part in latents.split(CHUNK)]
        return torch.cat(parts).cpu().numpy()

    def reconstruct(self, data: Any) -> np.ndarray:
        """Data decoded from the means of their latents, (rows, *event)."""
        return self.decode(self.encode(data)[0])

    def generate(self, n: int = 1, seed: int | None = None) -> np.ndarray:
        """Data decoded from n draws of N(0, I), (n, *event)."""
        require_count("generate", n=n)
        generator = generator_for(self.guide, seed)
        shape = (n, self.view.latent_dim)
        return self.decode(torch.randn(shape, generator=generator, device=self.guide.device))

    def save(self, path: str | os.PathLike) -> None:
        """Write it to one file that :func:`load_pretrained` reads."""
        header = {
            "declaration": to_json(self.guide.declaration),
            "history": self.history.to_json(orient="table", double_precision=15),
        }
        write_modules(path, FORMAT, self._modules(), header)

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"emission": self.guide.model.emission(NAME), "inference": self.guide.inference(NAME)}

    def __repr__(self) -> str:
        passes = (
            f"{len(self.history)} passes" if len(self.history) else "taken out of a fit, or trained elsewhere"
        )
        return f"Pretrained({self.view!r}; {passes})"


def one_view_guide(view: DecoderView) -> FAVAEGuide:
    """An untrained guide of a model of this view alone."""
    return FAVAEGuide(FAVAEModel(FAVAE({NAME: view}, n_factors=1), 1))


def load_pretrained(path: str | os.PathLike, device: str | torch.device = "cpu") -> Pretrained:
    """Read saved networks; raises :class:`LoadError` for a file that is foreign, truncated or tampered with."""
    device = device_for(device)
    header, tensors = read_tensors(path, FORMAT)
    try:
        declaration = from_json(header["declaration"])
        views = declaration.views if isinstance(declaration, FAVAE) else {}
        view = views.get(NAME)
        if not isinstance(view, DecoderView) or len(views) > 1:
            raise LoadError(
                f"{str(path)!r} declares {declaration!r}, expected a model of one view with networks"
            )
        require_room(lambda: Pretrained(one_view_guide(view), pd.DataFrame())._modules(), tensors)
        pretrained = Pretrained(one_view_guide(view), read_history(header["history"]))
        restore(pretrained._modules(), tensors, device)
        pretrained.guide.to(device).eval()
    except LoadError:
        raise
    except BROKEN as error:
        raise LoadError(f"{str(path)!r} does not hold consistent networks: {error}") from error
    return pretrained
