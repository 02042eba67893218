"""Declarations: frozen, comparable, and readable back from JSON."""

import dataclasses
import json

import pytest

from pyro_favae.errors import SpecError
from pyro_favae.models import likelihoods, objectives, views
from pyro_favae.models.declaration import from_json, to_json
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import (
    ARD,
    Custom,
    FeatureARD,
    FixedNoise,
    Gamma,
    Grouped,
    Horseshoe,
    Mixture,
    Normal,
    SpikeSlab,
    StandardNormal,
)

MODEL = FAVAE(
    {
        "face": views.Image((3, 8, 8), latent_dim=5, beta=2.0, likelihood=likelihoods.Bernoulli()),
        "labels": views.Bernoulli(["smiling", "male"], weights=ARD(0.5, 0.25)),
        "spectrum": views.Real(12, standardise="feature", noise=Gamma(2.0, 2.0, per_feature=True)),
        "names": views.Real(("a", "b")),
        "species": views.Categorical(["cat", "dog", "fox"], noise=Gamma(2.0, 2.0)),
        "class": views.Categorical(10),
        "embedding": views.Frozen(16, variances=True, standardise="none"),
        "axes": views.Frozen(["x", "y"], noise=FixedNoise((1.0, 4.0))),
        "blood": views.Tabular(["iron", "zinc"], 2, hidden=[16], standardise="view"),
        "gait": views.Sequence(20, 3, latent_dim=4, cell="lstm"),
        "field": views.VAE([4, 5, 6], latent_dim=3, network="dense"),
    },
    n_factors=4,
    weights=ARD(2.0, 2.0),
    factors=Mixture(3, mean_precision=0.3),
    bias_precision=0.1,
)
DECLARATIONS = [
    MODEL,
    *MODEL.views.values(),
    ARD(),
    FeatureARD(2.0, 1.0, feature_shape=3.0),
    Normal(precision=3.0),
    SpikeSlab(spike=0.1),
    Horseshoe(scale=0.1, slab=1.0),
    Custom("Laplace", loc=0.0, scale=2.0),
    Gamma(2.0, 3.0),
    FixedNoise(4.0),
    FixedNoise((4.0, 0.5)),
    Mixture(),
    Grouped(("a", "b"), column="batch", rate=2.0),
    StandardNormal(),
    objectives.Plain(),
    objectives.TotalCorrelation(4.0),
    objectives.FactorVAE(2.0, hidden=(16, 16)),
    objectives.DIP(1.0, 10.0, form="I"),
    likelihoods.Gaussian(0.3, learn=True),
    likelihoods.Bernoulli(),
    likelihoods.Laplace(0.5, learn=True, link="identity", per_feature=True),
    likelihoods.GaussianMixture(0.2, n_components=3),
    likelihoods.Categorical(4),
    likelihoods.Poisson(),
    likelihoods.NegativeBinomial(2.0),
]


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda d: type(d).__name__)
def test_json_round_trip(declaration):
    text = to_json(declaration)
    again = from_json(text)
    assert again == declaration
    assert type(again) is type(declaration)
    assert to_json(again) == text
    json.loads(text)


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda d: type(d).__name__)
def test_frozen(declaration):
    fields = dataclasses.fields(declaration)
    for field in fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(declaration, field.name, None)


def test_comparable():
    assert views.Real(3) == views.Real(3)
    assert views.Real(3) != views.Real(4)
    assert views.Real(["a", "b"]) == views.Real(("a", "b"))
    assert views.Categorical(["a", "b"]) == views.Categorical(("a", "b"))
    assert views.Frozen(3) != views.Frozen(3, variances=True)
    assert views.Frozen(3) != views.Real(3)
    assert Gamma() != Gamma(per_feature=True)
    assert FixedNoise([1.0, 2.0]) == FixedNoise((1.0, 2.0)) != FixedNoise(1.0)
    assert hash(FixedNoise([1.0, 2.0])) == hash(FixedNoise((1.0, 2.0)))
    assert FAVAE({"a": views.Real(3)}, 2) == FAVAE({"a": views.Real(3)}, 2)
    assert FAVAE({"a": views.Real(3)}, 2) != FAVAE({"b": views.Real(3)}, 2)
    assert hash(views.Real(["a", "b"])) == hash(views.Real(("a", "b")))


def test_the_order_of_views_survives():
    assert list(from_json(to_json(MODEL)).views) == list(MODEL.views)


def test_priors_of_a_view_override_the_models():
    assert MODEL.weights_of("labels") == ARD(0.5, 0.25)
    assert MODEL.weights_of("face") == ARD(2.0, 2.0)
    assert MODEL.noise_of("spectrum") == Gamma(2.0, 2.0, per_feature=True)
    assert MODEL.noise_of("face") == Gamma()


def test_later_changes_of_the_mapping_do_not_reach_the_model():
    given = {"a": views.Real(3)}
    model = FAVAE(given, 2)
    given["b"] = views.Real(2)
    assert list(model.views) == ["a"]


GOOD = json.loads(to_json(views.Real(3)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not the JSON"),
        ("{", "not the JSON"),
        ("[" * 100_000, "not the JSON"),
        ("3", "int"),
        ("[]", "tuple"),
        ('{"features": 3}', "dict"),
        ('{"kind": "views.Unknown"}', "unknown kind 'views.Unknown'"),
        ('{"kind": ["views.Real"]}', "unknown kind"),
        ('{"kind": null}', "unknown kind"),
        (json.dumps(GOOD | {"colour": 1}), "no field 'colour'"),
        ('{"kind": "views.Real"}', "views.Real cannot be built"),
        (json.dumps(GOOD | {"dim": 0}), "at least 1"),
        (json.dumps(GOOD | {"dim": "abc"}), "number of features"),
        (json.dumps(GOOD | {"dim": ["a", "a"]}), "repeat"),
        (json.dumps(GOOD | {"standardise": "never"}), "standardise"),
        ('{"kind": "views.Categorical", "classes": 1}', "at least 2"),
        ('{"kind": "views.Categorical", "classes": ["a"]}', "at least 2"),
        ('{"kind": "views.Categorical", "classes": ["a", "a"]}', "repeat"),
        ('{"kind": "views.Categorical", "classes": true}', "number of features"),
        ('{"kind": "views.Frozen", "dim": 0}', "at least 1"),
        ('{"kind": "views.Frozen", "dim": 2, "standardise": "never"}', "standardise"),
        ('{"kind": "priors.ARD", "shape": "big"}', "shape"),
        ('{"kind": "priors.ARD", "shape": NaN}', "shape"),
        ('{"kind": "priors.ARD", "rate": -1}', "rate"),
        ('{"kind": "priors.FixedNoise", "precision": 0}', "precision is 0"),
        ('{"kind": "priors.FixedNoise", "precision": [1, -1]}', r"precision\[1\] is -1"),
        ('{"kind": "priors.FixedNoise", "precision": "much"}', "precision is 'much'"),
        ('{"kind": "views.Image", "shape": 3, "latent_dim": 2}', "views.Image"),
        ('{"kind": "views.Image", "shape": [1, 8], "latent_dim": 2}', "shape"),
        ('{"kind": "views.Image", "shape": [1, 8, 8], "latent_dim": 2, "network": "huge"}', "huge"),
        ('{"kind": "models.FAVAE", "views": {}, "n_factors": 2}', "views"),
        ('{"kind": "models.FAVAE", "views": {"a": 3}, "n_factors": 2}', "'a'"),
        (
            json.dumps({"kind": "models.FAVAE", "views": {"a": GOOD}, "n_factors": 2, "weights": GOOD}),
            "weights",
        ),
    ],
)
def test_bad_json(text, message):
    with pytest.raises(SpecError, match=message):
        from_json(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [("weights", 3), ("weights", "ARD"), ("noise", 2.0), ("noise", ARD())],
    ids=str,
)
@pytest.mark.parametrize(
    "view", ["Real", "Bernoulli", "Image", "Categorical", "Frozen", "Tabular", "Sequence", "VAE"]
)
def test_a_view_refuses_a_prior_of_the_wrong_kind(view, field, value):
    """Seen when the model is declared, not deep inside a fit."""
    arguments = {
        "Image": ((1, 8, 8), 2),
        "Tabular": (3, 2),
        "Sequence": (5, 3, 2),
        "VAE": ((2, 3), 2, "dense"),
    }.get(view, (2,))
    with pytest.raises(SpecError, match=field):
        FAVAE({"a": getattr(views, view)(*arguments, **{field: value})}, 2)


def test_what_has_no_json_form():
    @dataclasses.dataclass(frozen=True)
    class Odd(views.Real):
        group = ""
        extra: object = None

    with pytest.raises(SpecError, match="no JSON form"):
        to_json(Odd(3, extra=object()))


def test_known_noise_needs_a_precision_for_each_feature():
    noise = FixedNoise((1.0, 2.0, 3.0))
    fitting = views.Real(3, noise=noise)
    assert FAVAE({"x": fitting}, 2).noise_of("x") == noise
    with pytest.raises(SpecError, match=r"'table'.*3 precisions, expected 2"):
        FAVAE({"x": views.Real(3), "table": views.Real(2)}, 2, noise=noise)
    with pytest.raises(SpecError, match=r"'labels'.*3 precisions, expected 2"):
        FAVAE({"x": fitting, "labels": views.Bernoulli(2, noise=noise)}, 2)


def test_a_view_may_be_called_kind():
    model = FAVAE({"kind": views.Categorical(2), "group": views.Real(3)}, 2)
    assert from_json(to_json(model)) == model
