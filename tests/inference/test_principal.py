"""Where closed-form views start."""

import numpy as np

import pyro_favae as fv
from pyro_favae.inference import principal


def test_latents_read_again_or_kept_start_alike(rng, monkeypatch):
    data = {"table": rng.normal(size=(700, 3)) @ rng.normal(size=(3, 8)) + rng.normal(size=(700, 8))}
    data["table"][rng.random((700, 8)) < 0.1] = np.nan
    model = fv.FAVAE({"table": fv.views.Real(8)}, 4)
    kept = fv.fit(model, data, epochs=1, seed=0, progress=False)
    monkeypatch.setattr(principal, "KEPT_BYTES", 0)
    read = fv.fit(model, data, epochs=1, seed=0, progress=False)
    assert kept.elbo == read.elbo
