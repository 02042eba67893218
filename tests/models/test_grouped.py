"""The declaration of grouped rows, and its Pyro sites."""

import pyro
import pytest
import torch
from pyro import poutine

from pyro_favae.errors import SpecError
from pyro_favae.fitting import pyro_pair
from pyro_favae.models.declaration import from_json, to_json
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.priors import Grouped
from pyro_favae.models.views import Real

PRIOR = Grouped(["a", "b", "c"], column="cohort", shape=3.0)


def test_a_model_with_groups_survives_json():
    model = FAVAE({"x": Real(2)}, 2, factors=PRIOR)
    assert from_json(to_json(model)) == model
    assert PRIOR.groups == ("a", "b", "c")
    assert hash(PRIOR) == hash(from_json(to_json(PRIOR)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"groups": ()}, "at least one label"),
        ({"groups": "ab"}, "expected a sequence"),
        ({"groups": 3}, "expected a sequence"),
        ({"groups": ("a", 1)}, "1 is not a non-empty string"),
        ({"groups": ("a", "")}, "'' is not a non-empty string"),
        ({"groups": ("a", "b", "a")}, "'a' is declared twice"),
        ({"groups": ("a",), "column": None}, "None is not a non-empty string"),
        ({"groups": ("a",), "rate": 0.0}, "rate is 0.0"),
        ({"groups": ("a",), "mean_precision": -1}, "mean_precision is -1"),
    ],
    ids=str,
)
def test_contradictions_are_refused(arguments, words):
    with pytest.raises(SpecError, match=words):
        Grouped(**arguments)


def test_a_column_cannot_be_named_like_a_view():
    with pytest.raises(SpecError, match="'x' is the name of a view"):
        FAVAE({"x": Real(2)}, 2, factors=Grouped(("a",), column="x"))


def test_rows_are_drawn_about_their_groups_means():
    model = FAVAEModel(FAVAE({"x": Real(2)}, 2, factors=PRIOR), 6000)
    means = torch.tensor([[9.0, 0.0], [0.0, 0.0], [-9.0, 5.0]]).double()
    precisions = torch.tensor([[1.0, 1.0], [4.0, 0.25], [1.0, 1.0]]).double()
    fixed = poutine.condition(model, {"group_means": means, "group_precisions": precisions})
    pyro.set_rng_seed(0)
    groups = torch.arange(6000) % 3
    factors = poutine.trace(fixed).get_trace({"cohort": groups}).nodes["factors"]["value"]
    for c in range(3):
        torch.testing.assert_close(factors[groups == c].mean(0), means[c], rtol=0, atol=0.2)
        torch.testing.assert_close(factors[groups == c].std(0), precisions[c] ** -0.5, rtol=0.06, atol=0)
    mixed = poutine.trace(fixed).get_trace(rows=6000).nodes["factors"]["value"]
    torch.testing.assert_close(mixed.mean(0), means.mean(0), rtol=0, atol=0.4)
    assert mixed[:, 0].std() == pytest.approx((54 + 0.75) ** 0.5, rel=0.05)


def test_model_and_guide_run_with_and_without_labels():
    model, guide = pyro_pair(FAVAE({"x": Real(2)}, 2, factors=PRIOR), 4)
    x = torch.randn(4, 2)
    for data in ({"x": x}, {"x": x, "cohort": torch.tensor([0, 2, 2, 1])}):
        drawn = poutine.trace(guide).get_trace(data)
        replayed = poutine.trace(poutine.replay(model, drawn)).get_trace(data)
        assert torch.isfinite(replayed.log_prob_sum() - drawn.log_prob_sum())
        assert replayed.nodes["factors"]["value"].shape == (4, 2)
