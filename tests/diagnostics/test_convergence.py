import pytest

import pyro_favae as fv
from pyro_favae.diagnostics import convergence
from pyro_favae.errors import SpecError
from tests.diagnostics import simulated


def test_a_fit_at_rest(fit):
    found = convergence(fit)
    assert found.converged
    assert found.exact
    assert found.passes == len(fit.history)
    assert found.bound == fit.elbo
    assert 0 <= found.last_gain < 1e-5 * abs(fit.elbo)
    assert found.relative_gain == pytest.approx(found.last_gain / abs(fit.elbo))
    assert "had come to rest" in repr(found)


def test_a_spent_budget_is_said(simulation):
    views = {name: fv.views.Real(values.shape[1]) for name, values in simulation.data.items()}
    short = fv.fit(fv.FAVAE(views, 3), simulation.data, epochs=2, seed=0, progress=False)
    found = convergence(short)
    assert not found.converged
    assert found.last_gain == pytest.approx(short.history["elbo"].diff().iloc[-1])
    assert "budget" in repr(found)


def test_a_single_pass_has_no_gain(simulation):
    views = {name: fv.views.Real(values.shape[1]) for name, values in simulation.data.items()}
    one = fv.fit(fv.FAVAE(views, 3), simulation.data, epochs=1, seed=0, progress=False)
    assert convergence(one).last_gain != convergence(one).last_gain
    assert "nan" not in repr(convergence(one))


def test_sampled_passes_are_said(simulation):
    sampled = fv.fit(
        fv.FAVAE({"left": fv.views.Real(30)}, 3),
        {"left": simulation.data["left"]},
        epochs=2,
        schedule="stochastic",
        seed=0,
        progress=False,
    )
    assert convergence(sampled).exact == (sampled.history["stage"].iloc[-1] == "settle")


def test_a_fit_without_a_history(simulation):
    fit = simulated.fit(simulation.data, 2)
    with pytest.raises(SpecError, match="no history"):
        convergence(fv.remove_view(fit, "left"))
