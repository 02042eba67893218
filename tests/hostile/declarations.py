"""Declarations with wrong fields, and their JSON, damaged."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

import pyro_favae as fv
from pyro_favae.models.declaration import Declaration
from tests.hostile.family import Family
from tests.hostile.values import anything, json_values, spoilt

GOOD: list[Declaration] = [
    fv.FAVAE({"x": fv.views.Real(2), "y": fv.views.Bernoulli(["a", "b"])}, 2, factors=fv.priors.Mixture(2)),
    fv.FAVAE({"x": fv.views.Frozen(2, variances=True)}, 1, factors=fv.priors.Grouped(("a", "b"))),
    fv.views.Real(["a", "b"], noise=fv.priors.FixedNoise((1.0, 2.0))),
    fv.views.Bernoulli(2),
    fv.views.Categorical(["a", "b"], weights=fv.priors.Horseshoe()),
    fv.views.Frozen(2),
    fv.views.Tabular(2, 1, hidden=(3,), likelihood=fv.likelihoods.GaussianMixture(link="identity")),
    fv.views.Sequence(3, 2, 1, hidden=2),
    fv.views.Image((1, 4, 4), 1, network="dense", likelihood=fv.likelihoods.Bernoulli()),
    fv.views.VAE((2, 2), 1, network="dense"),
    *(
        fv.objectives.Plain(),
        fv.objectives.TotalCorrelation(),
        fv.objectives.FactorVAE(),
        fv.objectives.DIP(),
    ),
    *(getattr(fv.priors, name)() for name in ("ARD", "FeatureARD", "Normal", "SpikeSlab", "Horseshoe")),
    *(fv.priors.Gamma(2.0, 1.0), fv.priors.FixedNoise(), fv.priors.StandardNormal(), fv.priors.Mixture()),
    *(fv.priors.Grouped(("a", "b")), fv.priors.Custom("StudentT", df=3.0, loc=0.0, scale=1.0)),
    *(
        fv.likelihoods.Gaussian(),
        fv.likelihoods.Laplace(),
        fv.likelihoods.GaussianMixture(),
        fv.likelihoods.Poisson(),
    ),
    *(fv.likelihoods.NegativeBinomial(), fv.likelihoods.Categorical(3), fv.likelihoods.Bernoulli()),
]


def fields_of(declaration: Declaration) -> dict[str, Any]:
    return {field.name: getattr(declaration, field.name) for field in dataclasses.fields(declaration)}


@st.composite
def constructions(draw) -> tuple[type[Declaration], dict[str, Any]]:
    """A class and the fields to declare it with."""
    good = draw(st.sampled_from([one for one in GOOD if dataclasses.fields(one)]))
    return type(good), draw(spoilt(fields_of(good), anything()))


@st.composite
def models(draw) -> tuple[type[Declaration], dict[str, Any]]:
    """The same for a model with a hostile mapping of views."""
    views = draw(
        st.dictionaries(st.one_of(st.text(max_size=3), st.none(), st.integers()), anything(), max_size=3)
    )
    good = draw(st.sampled_from([fv.views.Real(2), fv.views.Bernoulli(1)]))
    return fv.FAVAE, {
        "views": views | {draw(st.text(max_size=3)): good},
        "n_factors": draw(st.sampled_from([1, 10**18])),
    }


def declare(case: tuple[type[Declaration], Mapping[str, Any]]) -> None:
    """What is accepted prints, can be hashed and is read back from its JSON."""
    kind, fields = case
    declared = kind(**fields)
    assert repr(declared)
    assert declared._repr_html_() if hasattr(declared, "_repr_html_") else True
    hash(declared)
    assert fv.from_json(fv.to_json(declared)) == declared


@st.composite
def damaged(draw) -> str:
    """JSON of a declaration of which a part is replaced, removed, wrapped, or cut off in the middle of the text."""
    value = json.loads(fv.to_json(draw(st.sampled_from(GOOD))))
    for _ in range(draw(st.integers(1, 2))):
        value = draw(changed(value))
    text = json.dumps(value)
    how = draw(st.sampled_from(["whole", "whole", "whole", "cut", "char", "deep", "digits"]))
    place = draw(st.integers(0, len(text) - 1))
    if how == "cut":
        return text[:place]
    if how == "char":
        return text[:place] + draw(st.characters()) + text[place + 1 :]
    if how == "deep":
        return text[:place] + draw(st.sampled_from(["[", '{"a":', '{"kind":'])) * 100_000 + text[place:]
    if how == "digits":
        return text.replace("1", "1" * draw(st.sampled_from([30, 400, 5000])), 1)
    return text


@st.composite
def changed(draw, value: Any) -> Any:
    """JSON of which one part is another."""
    deeper = isinstance(value, dict | list) and value and draw(st.integers(0, 3))
    if not deeper:
        other = draw(st.sampled_from(["value", "value", "list", "mapping", "declaration"]))
        if other == "value":
            return draw(json_values())
        if other == "declaration":
            return json.loads(fv.to_json(draw(st.sampled_from(GOOD))))
        return [value, value] if other == "list" else {draw(st.sampled_from(["a", "kind", ""])): value}
    if isinstance(value, list):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(changed(value[place])), *value[place + 1 :]]
    key = draw(st.sampled_from(sorted(value)))
    if not draw(st.integers(0, 5)):
        rest = {name: item for name, item in value.items() if name != key}
        return rest | draw(st.sampled_from([{}, {"extra": 1}, {"__class__": "os.system"}, {"": value[key]}]))
    return value | {key: draw(changed(value[key]))}


def read(text: str) -> None:
    """What is read writes itself as something that is read as the same."""
    declared = fv.from_json(text)
    assert fv.from_json(fv.to_json(declared)) == declared


FAMILIES = [
    Family("declarations", constructions(), declare, 2.5),
    Family("models", models(), declare, 0.5),
    Family("JSON", damaged(), read, 2.5),
    Family("no JSON", st.one_of(st.text(max_size=30), anything()), fv.from_json, 0.5),
]
