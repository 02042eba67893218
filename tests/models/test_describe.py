"""How declarations show themselves, and what they warn of."""

import warnings

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae import likelihoods, objectives, priors, views
from pyro_favae.errors import SpecWarning
from pyro_favae.models.declaration import Declaration
from tests.models.test_declaration import DECLARATIONS, MODEL

NAMES = {
    "FAVAE": fv.FAVAE,
    "views": views,
    "objectives": objectives,
    "priors": priors,
    "likelihoods": likelihoods,
}


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda d: type(d).__name__)
def test_its_text_is_the_call_that_declares_it(declaration):
    assert eval(repr(declaration), NAMES) == declaration


def test_defaults_are_left_out():
    assert repr(views.Real(3)) == "views.Real(dim=3)"
    assert repr(priors.Mixture()) == "priors.Mixture()"
    assert repr(views.Real(3, weights=priors.ARD(2.0))) == "views.Real(dim=3, weights=priors.ARD(shape=2.0))"
    tabular = views.Tabular(("a", "b"), 2, hidden=[8], standardise="view")
    assert repr(tabular) == (
        "views.Tabular(columns=('a', 'b'), latent_dim=2, hidden=(8,), standardise='view')"
    )


def test_a_model_has_a_line_for_each_view():
    lines = repr(MODEL).splitlines()
    for name, view in MODEL.views.items():
        assert f"        {name!r}: {view!r}," in lines
    assert "    n_factors=4," in lines
    small = fv.FAVAE({"a": views.Real(3)}, 2)
    assert repr(small) == "FAVAE(\n    views={\n        'a': views.Real(dim=3),\n    },\n    n_factors=2,\n)"


def test_a_kind_of_ones_own_has_its_fields_too():
    class Mine(priors.Gamma):
        group = ""

    assert repr(Mine(2.0)) == "Mine(shape=2.0)"


def test_the_models_table():
    html = MODEL._repr_html_()
    assert html.count("<tr>") == 1 + len(MODEL.views)
    for cell in ("face", "views.Image", "(rows, 3, 8, 8)", "likelihoods.Bernoulli()", "(rows)"):
        assert f"<td>{cell}</td>" in html
    assert "<td>priors.ARD(shape=0.5, rate=0.25)</td>" in html  # the view's own
    assert html.count("<td>priors.ARD(shape=2.0, rate=2.0)</td>") == len(MODEL.views) - 1
    assert "4 shared factors, priors.Mixture(n_components=3, mean_precision=0.3)" in html


@pytest.mark.parametrize("view", MODEL.views.values(), ids=lambda v: type(v).__name__)
def test_a_views_table(view):
    html = view._repr_html_()
    shape = ", ".join(map(str, ("rows", *view.event_shape)))
    assert f"<tr><th>data</th><td>({shape})</td></tr>" in html
    assert f"<tr><th>latent dimensions</th><td>{view.latent_dim}</td></tr>" in html
    what = "rows and entries" if view.missing_entries else "rows"
    assert f"<td>{what}</td>" in html


def test_names_are_escaped():
    name = "<script>alert('&')</script>"
    model = fv.FAVAE({name: views.Real((name, "b"))}, 1)
    for html in (model._repr_html_(), model.views[name]._repr_html_()):
        assert "<script>" not in html
    assert "&lt;script&gt;" in model._repr_html_()


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda d: type(d).__name__)
def test_declarations_are_hashable(declaration):
    again = fv.from_json(fv.to_json(declaration))
    assert hash(again) == hash(declaration)
    assert len({again, declaration}) == 1


def test_lists_become_tuples():
    given = [
        (views.Tabular(["a", "b"], 2, hidden=[8]), views.Tabular(("a", "b"), 2, hidden=(8,))),
        (views.Image([1, 8, 8], 2), views.Image((1, 8, 8), 2)),
        (views.VAE([3, 2], 2, "dense"), views.VAE((3, 2), 2, "dense")),
        (views.Bernoulli(["a"]), views.Bernoulli(("a",))),
    ]
    for listed, declared in given:
        assert listed == declared
        assert hash(listed) == hash(declared)
    first, second = {"a": views.Real(2), "b": views.Real(3)}, {"b": views.Real(3), "a": views.Real(2)}
    assert hash(fv.FAVAE(first, 2)) == hash(fv.FAVAE(second, 2))  # as they are equal


def test_every_kind_is_tried_here():
    """A new declaration belongs in the list above."""

    def kinds(of: type) -> set[type]:
        return {of, *(kind for child in of.__subclasses__() for kind in kinds(child))}

    public = {kind for kind in kinds(Declaration) if kind.group and kind.__module__.startswith("pyro_favae.")}
    assert {kind.__name__ for kind in public - {type(d) for d in DECLARATIONS}} == set()


def test_more_factors_than_latent_dimensions():
    with pytest.warns(SpecWarning, match="6 factors for 5 latent dimensions") as caught:
        declared = fv.FAVAE({"a": views.Real(3), "b": views.Tabular(40, 2)}, 6)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fv.FAVAE({"a": views.Real(3), "b": views.Tabular(40, 2)}, 5)
        assert fv.from_json(fv.to_json(declared)) == declared  # who declared it was warned


def test_no_more_rows_than_factors():
    model = fv.FAVAE({"a": views.Real(6)}, 4)
    data = {"a": np.random.default_rng(0).normal(size=(5, 6))}
    options = {"epochs": 2, "seed": 0, "progress": False, "device": "cpu"}
    with pytest.warns(SpecWarning, match="4 factors for 4 rows") as caught:
        fv.fit(model, {"a": data["a"][:4]}, **options)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fv.fit(model, data, **options)
