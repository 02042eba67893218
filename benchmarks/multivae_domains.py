"""multivae's models as peers: MVTCAE (product of experts) and MMVAE+ (mixture of experts, private latents).

pip install multivae==1.0.3

Networks, likelihoods and passes are those of pyro_favae's views; models and objectives are the library's own.
"""

from importlib.util import find_spec

import numpy as np
import torch
from torch import nn

import pyro_favae as fv
from pyro_favae.datasets._torchvision import import_torchvision
from pyro_favae.experiments.domain_adaptation.domains import Pairs
from pyro_favae.experiments.domain_adaptation.plans import Plan
from pyro_favae.experiments.domain_adaptation.training import KIND, three_views

MODELS = ("MVTCAE", "MMVAE+")
CHUNK = 512


def available() -> bool:
    return find_spec("multivae") is not None


class Peer:
    """A model of the library, trained on pairs; translates by drawing."""

    def __init__(self, name: str, pairs: Pairs, plan: Plan, beta: float, seed: int) -> None:
        import_torchvision()  # which multivae imports, in vain beside a torch without CUDA
        from multivae.data.datasets.base import MultimodalBaseDataset

        self.rows = MultimodalBaseDataset
        data = {
            view: torch.from_numpy(np.ascontiguousarray(values))
            for view, values in three_views(pairs, plan).items()
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = built(name, pairs, plan.image, data[KIND].shape[1], beta)
            self._train(data, plan)

    def _train(self, data: dict[str, torch.Tensor], plan: Plan) -> None:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(parameters, plan.learning_rate)
        for _ in range(plan.epochs):
            for rows in torch.randperm(len(data[KIND])).split(plan.batch_size):
                optimiser.zero_grad()
                batch = self.rows(data={name: values[rows] for name, values in data.items()})
                (self.model(batch).loss_sum / len(rows)).backward()
                nn.utils.clip_grad_norm_(parameters, 1e3)
                optimiser.step()
        self.model.eval().requires_grad_(False)

    def translate(self, source: str, target: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
        parts = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for pixels in torch.as_tensor(images).split(CHUNK):
                given = self.rows(data={source: pixels})
                parts.append(self.model.predict(given, cond_mod=source, gen_mod=target)[target])
        return torch.cat(parts).numpy()


def built(name: str, pairs: Pairs, view: fv.views.Image, kinds: int, beta: float) -> nn.Module:
    from multivae.models import MVTCAE, MMVAEPlus, MMVAEPlusConfig, MVTCAEConfig

    shared = dict(
        n_modalities=3,
        input_dims={**dict.fromkeys(pairs.names, view.shape), KIND: (kinds,)},
        decoders_dist={**dict.fromkeys(pairs.names, "normal"), KIND: "categorical"},
        decoder_dist_params=dict.fromkeys(pairs.names, {"scale": view.likelihood.scale}),
    )
    if name == "MVTCAE":
        config = MVTCAEConfig(latent_dim=view.latent_dim, beta=beta, **shared)
        return MVTCAE(config, *networks(pairs, view, kinds, view.latent_dim, 0))
    half = view.latent_dim // 2
    config = MMVAEPlusConfig(latent_dim=half, modalities_specific_dim=half, K=1, beta=beta, **shared)
    return MMVAEPlus(config, *networks(pairs, view, kinds, half, half))


def networks(pairs: Pairs, view: fv.views.Image, kinds: int, shared: int, private: int) -> tuple[dict, dict]:
    """Encoders and decoders as the library wants them: of the views, and linear ones of the kind."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn.base_architectures import BaseDecoder, BaseEncoder

    total = shared + private

    class Encoder(BaseEncoder):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network, self.latent_dim, self.style_dim = network, shared, private

        def forward(self, x: torch.Tensor) -> ModelOutput:
            mean, log_variance = self.network(x).chunk(2, -1)
            output = ModelOutput(embedding=mean[:, :shared], log_covariance=log_variance[:, :shared])
            if private:
                output["style_embedding"] = mean[:, shared:]
                output["style_log_covariance"] = log_variance[:, shared:]
            return output

    class Decoder(BaseDecoder):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network, self.latent_dim = network, total

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.network(z).contiguous())

    found = fv.networks.find(view.network)
    encoders = {name: Encoder(found.encoder(view.shape, total)) for name in pairs.names}
    decoders = {
        name: Decoder(nn.Sequential(found.decoder(view.shape, total), nn.Sigmoid())) for name in pairs.names
    }
    encoders[KIND], decoders[KIND] = Encoder(nn.Linear(kinds, 2 * total)), Decoder(nn.Linear(total, kinds))
    return encoders, decoders
