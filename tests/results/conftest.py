from types import SimpleNamespace

import numpy as np
import pytest

import pyro_favae as fv

NAMES = ("first", "second", "third")


@pytest.fixture(scope="session")
def linear():
    """Three views of one factor analysis: real in odd units, real with names, binary; some rows lack one."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(400, 2))
    table = 50 + 20 * (factors @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(400, 6)))
    named = factors @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(400, 3))
    logits = 3 * factors @ np.array([[1.0, 0, 1, -1], [0, 1, 1, 1]])
    labels = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    data = {"table": table, "named": named, "labels": labels}
    learn = {name: values[:300].copy() for name, values in data.items()}
    learn["table"][:20] = np.nan
    learn["labels"][20:40] = np.nan
    model = fv.FAVAE(
        {"table": fv.views.Real(6), "named": fv.views.Real(NAMES), "labels": fv.views.Bernoulli(4)}, 4
    )
    fit = fv.fit(model, learn, epochs=60, seed=0, progress=False, device="cpu")
    test = {name: values[300:] for name, values in data.items()}
    return SimpleNamespace(fit=fit, learn=learn, test=test)


@pytest.fixture(scope="session")
def gappy():
    """Four kinds of view of one factor analysis: a fifth of what three of them hold is missing."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(400, 3))
    table = 50 + 20 * (factors @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(400, 6)))
    logits = 3 * factors @ np.array([[1.0, 0, 1, -1, 1], [0, 1, 1, 1, -1], [1, 1, 0, 1, 1]])
    species = (3 * factors @ rng.normal(size=(3, 3)) + rng.gumbel(size=(400, 3))).argmax(1)
    variance = 0.05 + 0.1 * rng.random((400, 2))
    mean = factors @ rng.normal(size=(3, 2)) + np.sqrt(0.1 + variance) * rng.normal(size=(400, 2))
    truth = {
        "table": table,
        "labels": (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float),
        "species": species.astype(float),
        "embedding": np.hstack([mean, variance]),
    }
    data = {name: values.copy() for name, values in truth.items()}
    for i, (name, values) in enumerate(data.items()):
        values[20 * i : 20 * (i + 1)] = np.nan
        if name in ("table", "labels", "species"):
            values[rng.random(values.shape) < 0.2] = np.nan
    model = fv.FAVAE(
        {
            "table": fv.views.Real(6),
            "labels": fv.views.Bernoulli(5),
            "species": fv.views.Categorical(3),
            "embedding": fv.views.Frozen(2, variances=True),
        },
        5,
    )
    fit = fv.fit(model, data, epochs=60, seed=0, progress=False, device="cpu")
    return SimpleNamespace(fit=fit, data=data, truth=truth)


@pytest.fixture(scope="session")
def digits():
    """A short fit of images and attributes with a mixture prior."""
    loaded = fv.datasets.load_digits()
    images, labels = loaded.images[:600], loaded.labels[:600]
    attributes = fv.datasets.digit_attributes(labels)
    model = fv.FAVAE(
        {
            "digit": fv.views.Image((1, 8, 8), 6, likelihood=fv.likelihoods.Gaussian(0.15)),
            "attributes": fv.views.Bernoulli(tuple(attributes.columns)),
        },
        8,
        factors=fv.priors.Mixture(12),
    )
    data = {"digit": images[:500], "attributes": attributes[:500].reset_index(drop=True)}
    data["attributes"] = data["attributes"].to_numpy(float)
    fit = fv.fit(
        model, data, epochs=60, batch_size=50, learning_rate=3e-3, seed=0, progress=False, device="cpu"
    )
    return SimpleNamespace(
        fit=fit, images=images[500:], attributes=attributes[500:].to_numpy(float), labels=labels[500:]
    )
