"""The multi-view baseline: one latent that two views share, with a product of experts as its posterior.

Wu and Goodman (2018), "Multimodal generative models for scalable weakly-supervised learning": q(z | views) is the
normalised product of N(0, I) and of one Gaussian a view; learnt are the joint bound and that of each view by itself.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.optim.lr_scheduler import CosineAnnealingLR

from pyro_favae.experiments.transfer.plans import Plan, Split
from pyro_favae.models import networks
from pyro_favae.models.views.decoder import encoded_moments
from pyro_favae.results.pretrained import Pretrained

IMAGE, LATENT = "image", "latent"
HIDDEN = 128  # of the networks between the small VAE's latents and the shared ones


class ProductOfExperts(nn.Module):
    """A deep VAE of images whose latents are shared with a small VAE's; both are decoded from them."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        size, d = plan.small.latent_dim, plan.deep.latent_dim
        self.d, self.images = d, plan.deep.emission()
        self.latents = nn.Sequential(*networks.perceptron([d, HIDDEN, size]))
        inner = nn.Sequential(*networks.perceptron([size, HIDDEN, 2 * d]))
        self.encoders = nn.ModuleDict({IMAGE: plan.deep.encoder(), LATENT: inner})

    def posterior(self, views: dict[str, Tensor]) -> Normal:
        """q(z | views), diagonal, (rows, D)."""
        precision, linear = torch.ones(()), torch.zeros(())
        for name, values in views.items():
            mean, log_variance = encoded_moments(self.encoders[name](values), len(values), self.d)
            weight = (-log_variance.clamp(-14, 8)).exp()
            precision, linear = precision + weight, linear + weight * mean
        return Normal(linear / precision, precision**-0.5)

    def bound(self, views: dict[str, Tensor]) -> Tensor:
        """The evidence lower bound of the given views, in nats a row."""
        q = self.posterior(views)
        z = q.rsample()
        bound = -kl_divergence(q, Normal(0.0, 1.0)).sum(1)
        if IMAGE in views:
            bound = bound + self.images.log_prob(z, views[IMAGE]).flatten(1).sum(1)
        if LATENT in views:
            bound = bound + Normal(self.latents(z), 1.0).log_prob(views[LATENT]).sum(1)
        return bound.mean()

    @torch.no_grad()
    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Images (n, C, H, W) decoded from the means of their own latents."""
        parts = torch.as_tensor(images).split(512)
        return torch.cat([self.images.decode(self.posterior({IMAGE: part}).mean) for part in parts]).numpy()


def train_product(small: Pretrained, split: Split, plan: Plan, *, seed: int) -> ProductOfExperts:
    """Train on images and the means of the small VAE's latents, with the deep VAE's budget and optimiser."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ProductOfExperts(plan)
        images, latents = (
            torch.as_tensor(split.images),
            torch.as_tensor(small.encode(split.images)[0]).float(),
        )
        optimiser = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
        steps = plan.epochs * -(-len(images) // plan.batch_size)
        schedule = CosineAnnealingLR(optimiser, steps, eta_min=plan.learning_rate / 20)
        for _ in range(plan.epochs):
            for rows in torch.randperm(len(images)).split(plan.batch_size):
                views = {IMAGE: images[rows], LATENT: latents[rows]}
                bounds = [
                    model.bound(views),
                    *(model.bound({name: values}) for name, values in views.items()),
                ]
                optimiser.zero_grad()
                (-torch.stack(bounds).sum()).backward()
                optimiser.step()
                schedule.step()
    return model.eval()
