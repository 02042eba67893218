"""fv.sample from the user's side."""

import os
import signal

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError
from pyro_favae.inference.sampling import Chains

QUIET = {"progress": False}


def draw_views(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(rows, 2))
    data = {
        "left": 10 + 5 * factors @ rng.normal(size=(2, 4)) + 2 * rng.normal(size=(rows, 4)),
        "right": factors @ rng.normal(size=(2, 3)) + rng.normal(size=(rows, 3)),
    }
    data["left"][1, 2] = data["right"][4] = np.nan
    return data


@pytest.fixture(scope="module")
def data():
    return draw_views(40)


@pytest.fixture(scope="module")
def fit(data):
    views = {"left": fv.views.Real(4), "right": fv.views.Frozen(3)}
    model = fv.FAVAE(views, 2, weights=fv.priors.ARD(2, 2), noise=fv.priors.Gamma(2, 2))
    return fv.fit(model, data, seed=0, progress=False)


def test_draws_have_chains_and_repeat_with_a_seed(fit, data):
    before = torch.get_rng_state()
    first, again, other = (
        fv.sample(fit, data, draws=5, chains=3, warm_up=2, thin=2, seed=seed, **QUIET) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert (first.chains, first.draws, first.ended_by) == (3, 5, "draws")
    assert first.sites["left.weights"].shape == (3, 5, 4, 2)
    assert first.sites["right.noise_precision"].shape == (3, 5)
    assert set(first.sites) == {
        f"{v}.{s}" for v in data for s in ("weights", "bias", "noise_precision", "relevance")
    }
    for site, value in first.sites.items():
        assert torch.equal(value, again.sites[site])
        assert not torch.equal(value, other.sites[site])
        assert len(value.flatten(0, 1).unique(dim=0)) == 15


def test_thinning_leaves_draws_out(fit, data):
    every = fv.sample(fit, data, draws=6, chains=2, warm_up=3, seed=0, **QUIET)
    third = fv.sample(fit, data, draws=2, chains=2, warm_up=3, thin=3, seed=0, **QUIET)
    assert torch.equal(third.sites["left.bias"], every.sites["left.bias"][:, 2::3])


def test_ctrl_c_returns_the_draws_so_far(fit, data, monkeypatch):
    sweep, count = Chains.sweep, []

    def interrupted(chains) -> None:
        count.append(1)
        if len(count) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        sweep(chains)

    monkeypatch.setattr(Chains, "sweep", interrupted)
    samples = fv.sample(fit, data, draws=50, chains=2, warm_up=4, seed=0, **QUIET)
    assert (samples.ended_by, samples.draws) == ("interrupted", 3)
    assert torch.isfinite(samples.sites["left.weights"]).all()
    count.clear()
    with pytest.raises(KeyboardInterrupt):
        fv.sample(fit, data, draws=50, chains=2, warm_up=10, seed=0, **QUIET)


def test_a_progress_bar_counts_sweeps(fit, data, capsys):
    fv.sample(fit, data, draws=3, chains=1, warm_up=2, seed=0)
    assert "5/5" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [{"draws": 0}, {"chains": 0}, {"warm_up": -1}, {"thin": 0}, {"seed": -1}, {"progress": 1}]
)
def test_settings_that_mean_nothing_are_refused(fit, data, wrong):
    with pytest.raises(SpecError, match=next(iter(wrong))):
        fv.sample(fit, data, **{**QUIET, **wrong})


def test_what_does_not_fit_in_memory_is_refused(fit, data):
    with pytest.raises(DataError, match="max_gigabytes"):
        fv.sample(fit, data, draws=10_000_000, **QUIET)


def refused(model: fv.FAVAE, data: dict) -> pytest.ExceptionInfo:
    fit = fv.fit(model, data, epochs=2, seed=0, progress=False)
    with pytest.raises(SpecError) as error:
        fv.sample(fit, data, draws=2, **QUIET)
    return str(error.value)


def test_a_view_whose_latents_are_not_known_is_named():
    data = draw_views(20) | {"tall": np.arange(20)[:, None] % 2}
    views = {"left": fv.views.Real(4), "tall": fv.views.Bernoulli(1)}
    told = refused(fv.FAVAE(views, 2), {name: data[name] for name in views})
    assert "'tall'" in told
    assert "Bernoulli" in told
    unsure = np.c_[draw_views(20)["left"][:, [0, 1]], np.ones((20, 2))]
    told = refused(fv.FAVAE({"left": fv.views.Frozen(2, variances=True)}, 1), {"left": unsure})
    assert "'left'" in told
    assert "Frozen" in told


def test_priors_without_conditionals_are_named():
    data = draw_views(20)
    views = {"left": fv.views.Real(4), "right": fv.views.Real(3)}
    assert "Mixture" in refused(fv.FAVAE(views, 2, factors=fv.priors.Mixture(2)), data)
    assert "Custom" in refused(
        fv.FAVAE(views, 2, weights=fv.priors.Custom("Laplace", loc=0.0, scale=1.0)), data
    )


def test_views_of_one_column():
    data = {name: values[:, :1] for name, values in draw_views(30).items()}
    views = {
        "left": fv.views.Real(1, noise=fv.priors.Gamma(2, 2, per_feature=True)),
        "right": fv.views.Real(1),
    }
    fit = fv.fit(fv.FAVAE(views, 1), data, seed=0, progress=False)
    samples = fv.sample(fit, data, draws=4, chains=3, warm_up=2, seed=0, **QUIET)
    assert samples.sites["left.noise_precision"].shape == (3, 4, 1)
    assert samples.sites["right.noise_precision"].shape == (3, 4)
    assert samples.predict("right", {"left": data["left"]}).mean.shape == (30, 1)


@pytest.mark.parametrize("weights", [fv.priors.ARD(), fv.priors.Horseshoe(), fv.priors.SpikeSlab()])
def test_flat_priors_stay_finite(weights):
    """With more factors than there are, whose weights fade and whose relevances grow."""
    data = draw_views(60)
    views = {"left": fv.views.Real(4), "right": fv.views.Real(3, noise=fv.priors.Gamma(per_feature=True))}
    fit = fv.fit(fv.FAVAE(views, 5, weights=weights), data, seed=0, progress=False)
    samples = fv.sample(fit, data, draws=30, chains=2, warm_up=10, seed=0, **QUIET)
    assert all(torch.isfinite(value).all() for value in samples.sites.values())


def test_data_by_name_are_aligned(fit, data):
    pd = pytest.importorskip("pandas")
    frames = {name: pd.DataFrame(values) for name, values in data.items()}
    shuffled = frames | {"right": frames["right"].iloc[::-1]}
    first, second = (fv.sample(fit, given, draws=2, seed=0, **QUIET) for given in (data, shuffled))
    assert torch.equal(first.sites["right.bias"], second.sites["right.bias"])
