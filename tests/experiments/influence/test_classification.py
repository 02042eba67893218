import numpy as np
import pytest
import torch

from pyro_favae.diagnostics import mutual_information
from pyro_favae.experiments.influence.classification import LabelledLatents, classification_by_share
from pyro_favae.experiments.influence.classifier import LastState, train_classifier


@pytest.fixture
def labelled(rng):
    """Two classes, told apart by factor 1 alone, which carries the most information."""
    latents = rng.normal(size=(600, 4)) * [0.1, 2, 0.1, 0.1]
    labels = (latents[:, 1] > 0).astype(int)
    return latents, labels, mutual_information(latents, np.full_like(latents, 0.05))


def test_accuracy_falls_to_guessing_without_the_factor(labelled):
    latents, labels, information = labelled
    learn, test = (LabelledLatents(latents[part], labels[part]) for part in (slice(400), slice(400, None)))
    state = torch.random.get_rng_state()
    table = classification_by_share(learn, test, information, shares=(100, 25, 0), epochs=10)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert list(table["factors"]) == [4, 1, 0]
    assert (table.loc[[100, 25], ["zeroed", "relearnt"]] > 0.95).all(axis=None)
    assert (table.loc[0, ["zeroed", "relearnt"]] < 0.65).all()
    assert (table["fano"] == 1).all()  # two classes are a bit: Fano's bound says nothing


def test_sequences_are_read_by_a_recurrent_network(labelled, rng):
    latents, labels, information = labelled
    frames = np.stack([latents, 0.1 * rng.normal(size=latents.shape)], 1)  # the first frame says it
    learn, test = (LabelledLatents(frames[part], labels[part]) for part in (slice(400), slice(400, None)))
    table = classification_by_share(learn, test, information, shares=(100, 0), epochs=25)
    assert table.loc[100, "relearnt"] > 0.9
    assert table.loc[0, "zeroed"] < 0.65
    assert (table["fano"] == 1).all()


def test_the_recurrent_network_is_the_papers():
    network = LastState(128, 4)
    assert network(torch.zeros(2, 63, 128)).shape == (2, 4)
    assert network.recurrent.hidden_size == 128


def test_the_same_seed_gives_the_same_classifier(labelled):
    latents, labels, _ = labelled
    first, second = (
        train_classifier(latents, labels, classes=2, epochs=2, seed=3).accuracy(latents, labels)
        for _ in range(2)
    )
    assert first == second
