"""The networks that go by a name."""

import pytest
import torch
from torch import nn

from pyro_favae.errors import SpecError
from pyro_favae.models import networks
from pyro_favae.models.networks import NETWORKS, Convolutional, Dense, find
from pyro_favae.models.views import Image

BUILT_IN = sorted(NETWORKS)
LINEAR, CONV, BACK = nn.Linear, nn.Conv2d, nn.ConvTranspose2d


def layers(network: nn.Module) -> list[tuple]:
    """Kind, inputs and outputs of each layer with weights."""
    found = []
    for layer in network:
        if isinstance(layer, CONV | BACK):
            found.append((type(layer), layer.in_channels, layer.out_channels))
            assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))
        elif isinstance(layer, LINEAR):
            found.append((LINEAR, layer.in_features, layer.out_features))
    return found


# FA-VAE paper, Sections 3.1 and 3.3; influential-factors paper, Table A.4. Sizes of data and latents are the papers'.
PAPERS = {
    "favae": ((3, 64, 64), 100, (64, 128, 256, 512, 1024), None, 2),
    "favae-deep": ((3, 64, 64), 100, (64, 128, 256, 512, 1024, 2048), None, 1),
    "influence-mnist": ((1, 28, 28), 128, (32, 32), 256, 7),
    "influence-celeba": ((3, 64, 64), 32, (32, 32, 64, 64), 256, 4),
    "influence-eeg": ((3, 32, 32), 32, (32, 32, 64, 64), 256, 2),
}


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_encoders(name):
    shape, latents, channels, hidden, side = PAPERS[name]
    expected = [(CONV, seen, size) for seen, size in zip((shape[0], *channels), channels, strict=False)]
    flat = channels[-1] * side * side
    if hidden:
        expected.append((LINEAR, flat, hidden))
    expected.append((LINEAR, hidden or flat, 2 * latents))
    assert layers(find(name).encoder(shape, latents)) == expected


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("outputs", [1, 5])
def test_the_papers_decoders_mirror_them(name, outputs):
    shape, latents, channels, hidden, side = PAPERS[name]
    expected = [(LINEAR, latents, hidden)] if hidden else []
    expected.append((LINEAR, hidden or latents, channels[-1] * side * side))
    sizes = (*channels[::-1], outputs * shape[0])
    expected += [(BACK, seen, size) for seen, size in zip(sizes, sizes[1:], strict=False)]
    assert layers(find(name).decoder(shape, latents, outputs)) == expected


@pytest.mark.parametrize("name", PAPERS)
def test_activations(name):
    """ReLU after every layer but the last, and nothing else."""
    shape, latents, *_ = PAPERS[name]
    for network in (find(name).encoder(shape, latents), find(name).decoder(shape, latents)):
        weighted = [isinstance(layer, LINEAR | CONV | BACK) for layer in network]
        followed = [isinstance(layer, nn.ReLU) for layer in network[1:]]
        after = [nxt for here, nxt in zip(weighted[:-1], followed, strict=True) if here]
        assert all(after)
        assert weighted[-1]
        assert sum(followed) == sum(weighted) - 1


def test_batch_norm_follows_every_convolution_but_the_last():
    network = find("small-normalised")
    for module, count in ((network.encoder((3, 8, 8), 2), 3), (network.decoder((3, 8, 8), 2), 2)):
        kinds = [type(layer) for layer in module]
        assert kinds.count(nn.BatchNorm2d) == count
        for norm in (i for i, kind in enumerate(kinds) if kind is nn.BatchNorm2d):
            assert kinds[norm - 1] in (CONV, BACK)
            assert kinds[norm + 1] is nn.ReLU
    assert isinstance(network.decoder((3, 8, 8), 2)[-1], BACK)


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("outputs", [1, 2])
def test_data_pass_through(name, outputs):
    network = find(name)
    side = getattr(network, "divisor", 4)
    shape = (3, 2 * side, side)
    assert network.encoder(shape, 4)(torch.zeros(2, *shape)).shape == (2, 8)
    expected = shape if outputs == 1 else (outputs, *shape)
    assert network.decoder(shape, 4, outputs)(torch.zeros(2, 4)).shape == (2, *expected)


def test_several_outputs_of_a_pixel_are_apart():
    """Channel c of output o is the decoder's channel o · C + c."""
    torch.manual_seed(0)
    decoder = Convolutional((4,)).decoder((3, 4, 4), 2, outputs=2)
    latents = torch.randn(1, 2)
    joined = decoder[:-1](latents)
    assert (decoder(latents)[0, 1, 2] == joined[0, 5]).all()


@pytest.mark.parametrize(
    ("name", "shape", "divisor"),
    [
        ("favae", (3, 64, 48), 32),
        ("favae-deep", (3, 32, 32), 64),
        ("influence-mnist", (1, 28, 30), 4),
        ("influence-celeba", (3, 109, 89), 16),
        ("small", (1, 9, 9), 4),
    ],
)
def test_strides_that_do_not_fit(name, shape, divisor):
    with pytest.raises(SpecError, match=rf"divisible by {divisor}.*pad or crop.*network='dense'"):
        Image(shape, 2, network=name)


def test_dense_networks_mirror_each_other():
    network = Dense((8, 5))
    assert layers(network.encoder((2, 3), 4)) == [(LINEAR, 6, 8), (LINEAR, 8, 5), (LINEAR, 5, 8)]
    assert layers(network.decoder((2, 3), 4)) == [(LINEAR, 4, 5), (LINEAR, 5, 8), (LINEAR, 8, 6)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", nn.Identity(), nn.Identity()), "non-empty string"),
        ((3, nn.Identity(), nn.Identity()), "the name is 3"),
        (("favae", nn.Identity(), nn.Identity()), "'favae' is the name of a built-in network"),
        (("mine", 3, nn.Identity()), "the encoder is a int"),
        (("mine", nn.Identity(), None), "the decoder is a NoneType"),
    ],
)
def test_what_cannot_be_registered(arguments, message):
    with pytest.raises(SpecError, match=message):
        networks.register(*arguments)
    assert sorted(NETWORKS) == BUILT_IN


def test_registering_again_replaces(monkeypatch):
    monkeypatch.setattr(networks, "NETWORKS", dict(NETWORKS))
    networks.register("mine", nn.Identity(), nn.Identity())
    networks.register("mine", nn.Flatten(), nn.Tanh())
    assert isinstance(find("mine").encoder((3,), 2), nn.Flatten)
    assert "mine" in networks.names()
