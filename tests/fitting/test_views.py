"""A fit with one view more, or one less."""

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError
from tests.fitting.conftest import TRAIN, same_state


@pytest.fixture(scope="module")
def halves(digits):
    """Both halves of the images as tables: what is added can be predicted from what was there."""
    flat = digits.images.reshape(len(digits.images), -1).astype(float)
    return {"digit": digits.images, "label": digits.labels, "top": flat[:, :32]}


@pytest.fixture(scope="module")
def grown(halves, conditioned):
    data = {name: values[:TRAIN] for name, values in halves.items()}
    return fv.add_view(conditioned, "top", fv.views.Real(32), data, seed=0, progress=False)


def test_what_was_learnt_stays_to_the_last_bit(conditioned, grown):
    for name in conditioned.declaration.views:
        assert same_state(conditioned.posterior.view(name), grown.posterior.view(name))
        assert same_state(conditioned.guide.inference(name), grown.guide.inference(name))
        assert same_state(conditioned.model.emission(name), grown.model.emission(name))
    assert list(grown.declaration.views) == ["digit", "label", "top"]


def test_predictions_among_the_old_views_stay(digits, conditioned, grown):
    given = {"digit": digits.images[TRAIN:]}
    np.testing.assert_array_equal(
        conditioned.predict("label", given).mean, grown.predict("label", given).mean
    )


def test_the_new_view_is_predicted_from_the_old(halves, grown):
    real = halves["top"][TRAIN:]
    error = np.square(grown.predict("top", {"digit": halves["digit"][TRAIN:]}).mean - real).sum()
    assert error < 0.7 * np.square(real - halves["top"][:TRAIN].mean(0)).sum()


def test_the_bound_never_falls_while_a_view_is_added(grown):
    gains = grown.history["elbo"].diff().dropna()
    assert (gains >= -1e-9 * grown.history["elbo"].abs().max()).all()


def test_refining_goes_on_from_there(halves, conditioned, grown):
    data = {name: values[:TRAIN] for name, values in halves.items()}
    refined = fv.refine(grown, data, train=[], seed=0, progress=False)
    assert refined.elbo > grown.elbo
    assert not same_state(refined.posterior.view("label"), grown.posterior.view("label"))
    assert same_state(refined.model.emission("digit"), grown.model.emission("digit"))
    at_once = fv.add_view(
        conditioned, "top", fv.views.Real(32), data, refine=True, epochs=3, seed=0, progress=False
    )
    assert not same_state(at_once.model.emission("digit"), grown.model.emission("digit"))


def test_an_encoder_view_is_added(halves, digits, conditioned):
    """Its networks are trained, the rest stays."""
    data = {name: values[:TRAIN] for name, values in halves.items()}
    data = {**data, "bottom": digits.images[:TRAIN, :, 4:]}
    view = fv.views.Image((1, 4, 8), 6, likelihood=fv.likelihoods.Gaussian(0.15))
    data.pop("top")
    fit = fv.add_view(conditioned, "bottom", view, data, epochs=20, batch_size=64, seed=0, progress=False)
    assert same_state(conditioned.posterior.view("digit"), fit.posterior.view("digit"))
    assert same_state(conditioned.model.emission("digit"), fit.model.emission("digit"))
    real = digits.images[TRAIN:, :, 4:]
    predicted = fit.predict("bottom", {"digit": digits.images[TRAIN:]}).mean
    assert np.square(predicted - real).sum() < 0.8 * np.square(real - data["bottom"].mean(0)).sum()


def test_a_pretrained_view_is_added(halves, digits, pretrained):
    data = {name: halves[name][:TRAIN] for name in ("top", "digit")}
    table = fv.FAVAE({"top": fv.views.Real(32)}, n_factors=10)
    alone = fv.fit(table, {"top": data["top"]}, seed=0, progress=False)
    fit = fv.add_view(alone, "digit", digits.view, data, pretrained=pretrained, seed=0, progress=False)
    assert same_state(alone.posterior.view("top"), fit.posterior.view("top"))
    real = halves["top"][TRAIN:]
    error = np.square(fit.predict("top", {"digit": halves["digit"][TRAIN:]}).mean - real).sum()
    assert error < 0.7 * np.square(real - data["top"].mean(0)).sum()


def test_a_view_is_removed(digits, conditioned, grown):
    smaller = fv.remove_view(grown, "top")
    assert smaller.declaration == conditioned.declaration
    given = {"digit": digits.images[TRAIN:]}
    np.testing.assert_array_equal(
        smaller.predict("label", given).mean, conditioned.predict("label", given).mean
    )
    assert "removal of 'top'" in repr(smaller)
    assert (
        "removal of &#x27;top&#x27;" in smaller._repr_html_() or "removal of 'top'" in smaller._repr_html_()
    )
    with pytest.raises(SpecError, match="no bound belongs to this fit"):
        _ = smaller.elbo


def test_what_cannot_be_meant(digits, conditioned):
    with pytest.raises(SpecError, match="there is a view 'label' already"):
        fv.add_view(conditioned, "label", fv.views.Real(2), digits.train)
    with pytest.raises(DataError, match="no data for view 'top'"):
        fv.add_view(conditioned, "top", fv.views.Real(32), digits.train, progress=False)
    with pytest.raises(DataError, match="unknown view 'top'"):
        fv.remove_view(conditioned, "top")
    with pytest.raises(SpecError, match="is the only view"):
        fv.remove_view(fv.remove_view(conditioned, "label"), "digit")
    with pytest.raises(TypeError, match="epoch"):
        fv.refine(conditioned, digits.train, epoch=3)
