"""Declared objectives of a view's networks."""

import pytest

import pyro_favae as fv
from pyro_favae.errors import SpecError
from pyro_favae.models.objectives import DIP, FactorVAE, Plain, TotalCorrelation


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (
            lambda: TotalCorrelation(beta=-1.0),
            "objectives.TotalCorrelation: beta is -1.0, expected a finite number",
        ),
        (lambda: FactorVAE(gamma=float("inf")), "gamma is inf"),
        (lambda: FactorVAE(hidden=()), "hidden is"),
        (lambda: FactorVAE(hidden=(8, 0)), "hidden is 0"),
        (lambda: FactorVAE(learning_rate=0.0), "learning_rate is 0.0"),
        (lambda: DIP(off_diagonal="large"), "off_diagonal is 'large'"),
        (lambda: DIP(diagonal=float("nan")), "diagonal is nan"),
        (lambda: DIP(form="III"), "form is 'III', expected 'I' or 'II'"),
        (
            lambda: fv.views.Image((1, 8, 8), 2, objective=6.0),
            "objective is 6.0, expected one of fv.objectives",
        ),
    ],
)
def test_what_cannot_be_meant(declare, said):
    with pytest.raises(SpecError, match=said):
        declare()


def test_every_view_behind_an_encoder_takes_one():
    objective = TotalCorrelation(4.0)
    for view in (
        fv.views.Image((1, 8, 8), 2, objective=objective),
        fv.views.VAE((4,), 2, "dense", objective=objective),
        fv.views.Tabular(3, 2, objective=objective),
        fv.views.Sequence(5, 3, 2, objective=objective),
    ):
        assert "objective=objectives.TotalCorrelation(beta=4.0)" in repr(view)
        assert fv.from_json(fv.to_json(view)) == view


def test_the_default_is_the_plain_bound():
    view = fv.views.Tabular(3, 2)
    assert view.objective == Plain()
    assert "objective" not in repr(view)


def test_lists_of_sizes_become_tuples():
    assert hash(FactorVAE(hidden=[8, 8])) == hash(FactorVAE(hidden=(8, 8)))
