"""A rival after Multi-VAE (Xu et al., ICCV 2021): one discrete code shared by all views, Gaussians of their own."""

from dataclasses import dataclass
from itertools import combinations as subsets_of
from time import perf_counter
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal, kl_divergence
from torch.nn.functional import cross_entropy, gumbel_softmax
from tqdm.auto import trange

import pyro_favae as fv
from pyro_favae.experiments.domain_adaptation.domains import Pairs
from pyro_favae.experiments.domain_adaptation.plans import Plan
from pyro_favae.experiments.domain_adaptation.training import KIND, three_views

TEMPERATURE = 0.67  # of the relaxed code
CHUNK = 1024


class DiscreteCode(nn.Module):
    """x_m ~ p(x_m | c, z_m), c one of ``codes``, z_m ~ N(0, I); of the kind, which has no z, a softmax of c.

    q(c | views) is the product of what each of the given views says, so that any of them will do. The images'
    networks are those of the FA-VAE's views, the decoder fed with c beside z.
    """

    def __init__(self, view: fv.views.Image, names: list[str], kinds: int, codes: int) -> None:
        super().__init__()
        network = fv.networks.find(view.network)
        self.view, self.codes = view, codes
        self.encoders = nn.ModuleDict(
            {name: network.encoder(view.shape, view.latent_dim + codes) for name in names}
        )
        self.decoders = nn.ModuleDict(
            {name: network.decoder(view.shape, view.latent_dim + codes) for name in names}
        )
        self.kind_to_code, self.code_to_kind = nn.Linear(kinds, codes), nn.Linear(codes, kinds)

    def encode(self, name: str, images: Tensor) -> tuple[Normal, Tensor]:
        """q(z | x) and what the image says of the code, (n, codes) logits."""
        sizes = [self.view.latent_dim, self.view.latent_dim, self.codes, self.codes]
        mean, log_variance, logits, _ = self.encoders[name](images).split(sizes, 1)
        return Normal(mean, (0.5 * log_variance).exp()), logits

    def decode(self, name: str, code: Tensor, latents: Tensor) -> Tensor:
        """E[x | c, z], (n, C, H, W)."""
        return self.decoders[name](torch.cat([latents, code], 1)).sigmoid()

    def loss(self, images: dict[str, Tensor], kinds: Tensor, given: tuple[str, ...], weight: float) -> Tensor:
        """Negative bound of some rows, mean over them, the code inferred from the views given.

        weight: of the divergence of the images' own latents, which else say all and leave nothing to the code.
        """
        encoded = {name: self.encode(name, pixels) for name, pixels in images.items()}
        said = {name: logits for name, (_, logits) in encoded.items()} | {KIND: self.kind_to_code(kinds)}
        code_logits = sum(said[name] for name in given)
        code = gumbel_softmax(code_logits, TEMPERATURE)
        uniform = Categorical(logits=torch.zeros_like(code_logits))
        total = kl_divergence(Categorical(logits=code_logits), uniform).mean()
        total = total + cross_entropy(self.code_to_kind(code), kinds.argmax(1))
        for name, (own, _) in encoded.items():
            seen = Normal(
                self.decode(name, code, own.rsample()),
                cast(fv.likelihoods.Gaussian, self.view.likelihood).scale,
            )
            total = total - seen.log_prob(images[name]).flatten(1).sum(1).mean()
            total = total + weight * kl_divergence(own, Normal(0.0, 1.0)).sum(1).mean()
        return total


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks that translate by the code alone, and the seconds that they took."""

    model: DiscreteCode
    seconds: float

    @torch.no_grad()
    def translate(self, source: str, target: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """Images (n, C, H, W) of one domain in the other: c and the other domain's z are drawn."""
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for pixels in torch.as_tensor(images).split(CHUNK):
            weights = self.model.encode(source, pixels)[1].softmax(1)
            code = torch.eye(self.model.codes)[torch.multinomial(weights, 1, generator=generator)[:, 0]]
            latents = torch.randn((len(pixels), self.model.view.latent_dim), generator=generator)
            parts.append(self.model.decode(target, code, latents))
        return torch.cat(parts).numpy()


def train_discrete_code(pairs: Pairs, plan: Plan, *, seed: int = 0, progress: bool = True) -> Trained:
    """Train on the pairs for as many passes as the FA-VAE; the global random state is left as it was."""
    begin = perf_counter()
    data = {name: torch.from_numpy(values) for name, values in three_views(pairs, plan).items()}
    kinds = data.pop(KIND)
    views = [*pairs.names, KIND]
    subsets = [some for size in (1, 2, 3) for some in subsets_of(views, size)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DiscreteCode(plan.image, pairs.names, kinds.shape[1], plan.codes)
        optimiser = torch.optim.Adam(model.parameters(), plan.learning_rate)
        for _ in trange(plan.epochs, disable=not progress, desc="discrete code"):
            for rows in torch.randperm(len(kinds)).split(plan.batch_size):
                given = subsets[int(torch.randint(len(subsets), ()))]
                batch = {name: pixels[rows] for name, pixels in data.items()}
                optimiser.zero_grad()
                model.loss(batch, kinds[rows], given, plan.code_beta).backward()
                optimiser.step()
    return Trained(model.eval().requires_grad_(False), perf_counter() - begin)
