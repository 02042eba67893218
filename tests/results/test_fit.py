import pyro.poutine as poutine
import torch

import pyro_favae as fv


def test_what_a_fit_says_of_itself(digits):
    active = digits.fit.active
    assert list(active.index) == ["digit", "attributes"]
    assert active.shape == (2, 8)
    assert active.to_numpy().dtype == bool
    assert digits.fit.elbo == digits.fit.history["elbo"].iloc[-1]
    assert "ended by" in repr(digits.fit)
    html = digits.fit._repr_html_()
    assert "digit" in html
    assert "Bernoulli" in html


def test_it_says_which_views_share_nothing(rng, linear):
    views = {name: fv.views.Real(3) for name in ("alone", "apart")}
    data = {name: rng.normal(size=(200, 1)) + 0.1 * rng.normal(size=(200, 3)) for name in views}
    fit = fv.fit(fv.FAVAE(views, 3), data, seed=0, progress=False)
    assert "no factor links 'alone', 'apart' to another view" in repr(fit)
    assert "to another view" in fit._repr_html_()
    assert "no factor links" not in repr(linear.fit)


def test_names_are_text_in_a_notebook(rng):
    name = "<script>alert()</script>"
    data = {name: rng.normal(size=(20, 1)) + rng.normal(size=(20, 3))}
    fit = fv.fit(fv.FAVAE({name: fv.views.Real(3)}, 1), data, epochs=2, seed=0, progress=False)
    assert "<script>" not in fit._repr_html_()
    assert "&lt;script&gt;" in fit._repr_html_()


def test_factors_are_sorted_and_signed(linear):
    strength = sum(
        (view.noise.mean[:, None] * view.weights.weights.square()).sum(0)
        for view in linear.fit.posterior.views
    )
    assert torch.all(strength.diff() <= 1e-9 * strength[0])


def test_model_and_guide_are_pyro_callables(digits):
    data = {"digit": torch.tensor(digits.images), "attributes": torch.tensor(digits.attributes)}
    guide = poutine.trace(digits.fit.guide).get_trace(data)
    model = poutine.trace(poutine.replay(digits.fit.model, guide)).get_trace(data)
    latent = {
        name for name, site in model.nodes.items() if site["type"] == "sample" and not site["is_observed"]
    }
    assert {"factors", "component", "digit.latents", "attributes.weights"} <= latent
    assert torch.isfinite(model.log_prob_sum() - guide.log_prob_sum())
