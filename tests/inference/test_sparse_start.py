"""Sparse weights are led to the axes along which they are sparse before their own prior takes over."""

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.inference.sparse_start import lead_to_sparse_axes
from tests.inference.problems import problem
from tests.inference.test_sparse_rotation import learnt


def test_the_declared_posteriors_are_back_afterwards():
    p = learnt(fv.priors.SpikeSlab())
    declared = [view.relevance for view in p.posterior.views]
    seen = []

    def sweep() -> float:
        seen.append(type(p.posterior.views[0].relevance).__name__)
        p.sweep(1)
        return p.bound(p.infer().statistics())

    lead_to_sparse_axes(p.posterior.views, sweep)
    assert list(dict.fromkeys(seen)) == ["HorseshoePosterior"]
    assert all(view.relevance is one for view, one in zip(p.posterior.views, declared, strict=True))


def test_they_are_back_after_an_interruption():
    p = learnt(fv.priors.Horseshoe())
    declared = [view.relevance for view in p.posterior.views]

    def sweep() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lead_to_sparse_axes(p.posterior.views, sweep)
    assert all(view.relevance is one for view, one in zip(p.posterior.views, declared, strict=True))


def test_other_priors_are_left_alone():
    def sweep() -> float:
        raise AssertionError("swept")

    lead_to_sparse_axes(problem("real").posterior.views, sweep)


@pytest.mark.parametrize("prior", [fv.priors.SpikeSlab(), fv.priors.Horseshoe()], ids=str)
def test_dense_combinations_of_sparse_factors_are_disentangled(prior):
    """Four factors, half of their weights zero: principal components mix them, a sparse prior must not."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(500, 4))
    weights = rng.normal(size=(60, 4)) * (rng.random((60, 4)) < 0.5)
    data = {"table": factors @ weights.T + rng.normal(size=(500, 60))}
    model = fv.FAVAE({"table": fv.views.Real(60)}, 6, weights=prior)
    fit = fv.fit(model, data, seed=0, progress=False, device="cpu")
    found = fit.transform(data).mean
    best = np.abs(np.corrcoef(factors.T, found.T)[:4, 4:]).max(1)
    assert best.min() > 0.95
    elbo = fit.history["elbo"].to_numpy()
    assert (np.diff(elbo) >= -1e-9 * abs(elbo[:-1])).all()


def test_sparse_factors_are_told_from_dense_ones():
    """Three sparse factors among two that every feature uses: stopped early, two of them stay mixed."""
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(300, 5))
    weights = rng.normal(size=(80, 5))
    weights[:, 2:] *= rng.random((80, 3)) < 0.25
    data = {"table": factors @ weights.T + rng.normal(size=(300, 80))}
    model = fv.FAVAE({"table": fv.views.Real(80)}, 7, weights=fv.priors.SpikeSlab())
    found = fv.fit(model, data, seed=0, progress=False, device="cpu").transform(data).mean
    best = np.abs(np.corrcoef(factors.T, found.T)[2:5, 5:]).max(1)
    assert best.min() > 0.95
