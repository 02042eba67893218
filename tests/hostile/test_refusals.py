"""What some refusals say."""

import numpy as np
import pandas as pd
import pytest
import torch

import pyro_favae as fv
from pyro_favae.errors import DataError, FavaeError, LoadError, SpecError
from tests.hostile.settings import LEARNT, MODEL, ROWS
from tests.hostile.tables import DATA, VIEWS, Unreadable

REFUSALS = {
    "more features than can be counted": (
        lambda: fv.views.Real(10**18),
        SpecError,
        "features is 1000.* at most",
    ),
    "a number no float holds": (lambda: fv.priors.Normal(10**400), SpecError, "precision is 1000.*finite"),
    "a number that cannot be printed": (
        lambda: fv.views.Real(-(10**5000)),
        SpecError,
        "an? int that cannot be",
    ),
    "a long value": (lambda: fv.views.Bernoulli(["a" * 9999, 1]), SpecError, "a…$"),
    "text for a switch": (
        lambda: fv.priors.Gamma(per_feature="no"),
        SpecError,
        "'no', expected True or False",
    ),
    "a list for a name": (
        lambda: fv.likelihoods.Gaussian(link=[]),
        SpecError,
        "link is \\[\\], expected one of",
    ),
    "JSON that is no text": (lambda: fv.from_json({}), SpecError, "text is a dict"),
    "a number of 5000 digits": (lambda: fv.from_json("1" * 5000), SpecError, "not the JSON of a declaration"),
    "JSON nested too deep": (lambda: fv.from_json("[" * 10**6), SpecError, "not the JSON of a declaration"),
    "a seed of text": (lambda: fv.fit(MODEL, ROWS, seed="one"), SpecError, "seed is 'one'"),
    "a device that is none": (
        lambda: fv.fit(MODEL, ROWS, device=3.5, progress=False),
        SpecError,
        "device is 3.5",
    ),
    "no callbacks": (lambda: fv.fit(MODEL, ROWS, callbacks=print), SpecError, "callbacks is <built-in"),
    "networks without names": (lambda: fv.fit(MODEL, ROWS, pretrained=1), SpecError, "pretrained is 1"),
    "a tensor for names of views": (
        lambda: fv.fit(MODEL, ROWS, train=torch.tensor(1)),
        SpecError,
        "train is tensor",
    ),
    "no fit": (lambda: fv.refine(MODEL, ROWS), SpecError, "fitted is a FAVAE, expected the fv.Fit"),
    "a view without a name": (lambda: LEARNT.weights(["table"]), DataError, r"unknown view \['table'\]"),
    "half a draw": (lambda: LEARNT.predict("table", ROWS, n_draws=0.5), SpecError, "n_draws is 0.5"),
    "no attributes": (lambda: LEARNT.edit("table", ROWS["table"], "u"), DataError, "attributes is 'u'"),
    "an endless span": (lambda: LEARNT.traverse("table", factor=0, span=np.inf), SpecError, "span is inf"),
    "ends of unequal length": (
        lambda: LEARNT.interpolate("table", ROWS["table"], ROWS["table"][:2]),
        DataError,
        "6 rows to start from and 2 to end at",
    ),
    "a checkpoint that is no path": (
        lambda: fv.fit(MODEL, ROWS, checkpoint=7),
        SpecError,
        "checkpoint is 7, expected",
    ),
    "a run that is no path": (lambda: fv.fit(MODEL, ROWS, resume=[]), SpecError, "resume is .*True or False"),
    "no path": (lambda: fv.load(None), LoadError, "no file None"),
    "a tensor of no numbers": (
        lambda: fv.fit(MODEL, ROWS | {"table": torch.ones(6, 3, device="meta")}),
        DataError,
        "view 'table' is a tensor that is on the device 'meta'",
    ),
    "an array that is none": (
        lambda: fv.fit(MODEL, ROWS | {"table": Unreadable()}),
        DataError,
        "view 'table' cannot be read as an array of numbers: no array after all",
    ),
    "lengths that differ": (
        lambda: fv.fit(MODEL, ROWS | {"table": np.broadcast_to(0.0, (10, 3))}),
        DataError,
        "view 'behind' has 6 rows, expected 10",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_says_what_was_seen(case):
    call, error, message = REFUSALS[case]
    with pytest.raises(error, match=message):
        call()


def test_a_billion_features_cost_nothing_to_declare():
    model = fv.FAVAE({"x": fv.views.Real(10**9), "y": fv.views.Tabular(10**9, 2)}, 1)
    assert model.views["x"].event_shape == model.views["y"].event_shape == (10**9,)
    assert fv.from_json(fv.to_json(model)) == model


def test_labels_that_cannot_be_read():
    model = fv.FAVAE({"table": VIEWS["table"]}, 1, factors=fv.priors.Grouped(("p", "q")))
    with pytest.raises(DataError, match="'group' cannot be read as labels"):
        fv.fit(model, {"table": DATA["table"], "group": Unreadable()})
    with pytest.raises(FavaeError, match="is no declared group"):
        fv.fit(model, {"table": DATA["table"], "group": pd.Series([10**5000] * 6)})
