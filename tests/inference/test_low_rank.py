"""Rows with low-rank covariances: the sums that a matrix for each row gives, and almost nothing of the bound lost."""

import numpy as np
import pytest
import torch

from pyro_favae.fitting import fit
from pyro_favae.inference import row_inference
from pyro_favae.inference.covariance import RowCovariance
from pyro_favae.inference.low_rank_rows import LowRankRows
from pyro_favae.inference.row_inference import (
    _given_covariance,
    _low_rank_covariance,
    _pattern_precision,
    _patterns,
    infer_rows,
)
from pyro_favae.inference.rows import Rows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import Grouped, Mixture, StandardNormal
from pyro_favae.models.views import Bernoulli, Categorical, Frozen, Real
from tests.inference.problems import Problem, problem
from tests.inference.test_monotone import assert_no_fall

NAMES = [
    "few binary features",
    "two categorical views",
    "encoder and missing entries",
    "groups, many binary features",
    "all, many binary features",
    "all",
]
FACTORS = 6


def certain(p: Problem, share: float) -> Problem:
    """The problem with covariances of the weights multiplied."""
    with torch.no_grad():
        for view in p.posterior.views:
            view.weights_covariance.mul_(share)
    return p


def low_rank_rows(p: Problem, rows: Rows) -> LowRankRows:
    """Low-rank q of the same rows at the same bounds on their logits."""
    snapshot = Snapshot(p.posterior)
    patterns = _patterns(rows.views, rows.groups)
    precision = _pattern_precision(snapshot, rows.views, patterns)
    covariance = _low_rank_covariance(rows.views, precision, patterns.index)
    return _given_covariance(snapshot, rows.views, covariance, rows.groups)


def assert_close(actual, expected, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def assert_same_statistics(first, second, tolerance: float = 1e-10) -> None:
    for a, b in zip((*first.views, first.factors), (*second.views, second.factors), strict=True):
        for field in a.__dataclass_fields__:
            if getattr(a, field) is not None:
                scale = max(1.0, float(getattr(b, field).abs().max()))
                assert_close(getattr(a, field) / scale, getattr(b, field) / scale, tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_sums_without_a_matrix_for_each_row(name):
    """What is never formed gives the sums that it would give."""
    p = problem(name, n_factors=FACTORS, n=15)
    low = low_rank_rows(p, p.infer(iterations=3))
    assert isinstance(low, LowRankRows)
    matrices = low.covariance.matrices
    logs = torch.linalg.slogdet(matrices).logabsdet
    dense = Rows(
        low.views,
        RowCovariance(matrices, logs, torch.arange(15)),
        low.component_factors,
        low.responsibilities,
        low.groups,
    )
    assert_same_statistics(low.statistics(), dense.statistics())
    assert_close(low.total_moments, dense.total_moments)
    for view in low.views:
        assert_close(low.squares(view), dense.squares(view))
    vectors = torch.as_tensor(np.random.default_rng(1).normal(size=(15, 2, FACTORS)))
    assert_close(low.covariance.times(vectors), dense.covariance.times(vectors))


@pytest.mark.parametrize("name", NAMES)
def test_with_weights_that_are_certain_nothing_is_left_out(name):
    p = certain(problem(name, n_factors=FACTORS, n=15), 1e-13)
    dense = p.infer(iterations=3)
    low = low_rank_rows(p, dense)
    expected = p.part(slice(None)).infer(iterations=3)
    assert_close(low.covariance.matrices, dense.covariance.matrices[dense.covariance.index])
    rows = _given_covariance(Snapshot(p.posterior), low.views, dense.covariance, dense.groups)
    assert_close(low.factors, rows.factors)
    assert_close(low.responsibilities, rows.responsibilities)
    low, expected = low.statistics(), expected.statistics()
    assert p.bound(low) == pytest.approx(p.bound(expected), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_lost_is_of_second_order_and_known(name):
    """q of the rows that every K×K matrix would give is the optimum at the same bounds on logits."""
    gaps = []
    for share in (1e-2, 1e-3):
        p = certain(problem(name, n_factors=FACTORS, n=15), share)
        rows = p.infer(iterations=3)
        dense = _given_covariance(Snapshot(p.posterior), rows.views, rows.covariance, rows.groups)
        low = low_rank_rows(p, dense)
        gaps.append((p.bound(dense.statistics()) - p.bound(low.statistics()), low.covariance.loss()))
    for gap, loss in gaps:
        assert -1e-9 <= gap <= 1.5 * loss + 1e-9
    assert gaps[0][1] > 50 * gaps[1][1]


@pytest.mark.parametrize("largest", [0.0, 1e9])
def test_rows_get_a_matrix_each_where_too_much_would_be_lost(monkeypatch, largest):
    monkeypatch.setattr(row_inference, "LARGEST_LOSS", largest)
    p = problem("few binary features", n_factors=FACTORS, n=15)
    rows = infer_rows(
        Snapshot(p.posterior), p.view_rows(), p.n, iterations=200, tolerance=1e-12, low_rank=True
    )
    assert isinstance(rows, LowRankRows) == (largest > 0)
    if not largest:
        assert_close(rows.factors, p.infer().factors, 1e-9)
        assert_close(rows.spread(), p.infer().spread(), 1e-9)


@pytest.mark.parametrize(
    ("name", "factors"), [("all", 6), ("groups, missing entries", 6), ("few binary features", 3)]
)
def test_many_logits_patterns_or_none_get_a_matrix_each(name, factors):
    p = problem(name, n_factors=factors, n=40)
    rows = infer_rows(Snapshot(p.posterior), p.view_rows(), p.n, iterations=3, low_rank=True)
    assert not isinstance(rows, LowRankRows)


@pytest.mark.parametrize("factors", [StandardNormal(), Mixture(3), Grouped(("a", "b"))], ids=str)
def test_a_fit_beside_a_wide_view(factors, rng, monkeypatch):
    """It never falls, and ends where one with a matrix for each row does."""
    latent = rng.normal(size=(80, 3))
    means = latent @ rng.normal(size=(3, 12)) + 0.5 * rng.normal(size=(80, 12))
    logits = latent @ rng.normal(size=(3, 4)) + rng.normal(size=(80, 4))
    data = {
        "image": np.concatenate([means, rng.gamma(2.0, 0.05, size=means.shape)], 1),
        "labels": (logits[:, :3] > 0).astype(float),
        "kind": logits.argmax(1).astype(float),
        "real": logits[:, :2].copy(),
    }
    data["labels"][rng.random((80, 3)) < 0.1] = np.nan
    data["real"][:10] = np.nan
    views = {
        "image": Frozen(12, variances=True),
        "labels": Bernoulli(3),
        "kind": Categorical(4),
        "real": Real(2),
    }
    if isinstance(factors, Grouped):
        data["group"] = rng.choice(("a", "b"), size=80)
    model = FAVAE(views, n_factors=14, factors=factors)
    ends, kinds = [], []
    original = row_inference._low_rank_covariance
    monkeypatch.setattr(
        row_inference, "_low_rank_covariance", lambda *of: kinds.append("low rank") or original(*of)
    )
    for largest in (0.5, 0.0):
        monkeypatch.setattr(row_inference, "LARGEST_RANK", largest)
        result = fit(model, data, epochs=12, tolerance=1e-12, seed=0, device="cpu", progress=False)
        elbo = result.history["elbo"].to_numpy()
        for sweep, (before, after) in enumerate(zip(elbo, elbo[1:], strict=False)):
            assert_no_fall(before, after, f"sweep {sweep + 1}")
        ends.append(elbo[-1])
        assert bool(kinds) == bool(largest)
        kinds.clear()
    assert ends[0] == pytest.approx(ends[1], rel=1e-5)


def test_a_sweep_that_falls_is_repeated_with_a_matrix_for_each_row(rng, monkeypatch):
    """However wrong what was expected to be lost was."""
    data = {"image": rng.normal(size=(40, 8)), "labels": (rng.normal(size=(40, 2)) > 0).astype(float)}
    model = FAVAE({"image": Frozen(8), "labels": Bernoulli(2)}, n_factors=5)
    original, calls = row_inference._low_rank_covariance, []

    def worse(views, precision, index):
        calls.append(len(calls))
        return original(views, 2 * precision if len(calls) > 30 else precision, index)

    monkeypatch.setattr(row_inference, "_low_rank_covariance", worse)
    monkeypatch.setattr(row_inference, "LARGEST_LOSS", 1e9)
    result = fit(model, data, epochs=16, tolerance=1e-12, seed=0, device="cpu", progress=False)
    assert 30 < len(calls) < 50, "not given up"
    elbo = result.history["elbo"].to_numpy()
    assert len(elbo) == 16
    for sweep, (before, after) in enumerate(zip(elbo, elbo[1:], strict=False)):
        assert_no_fall(before, after, f"sweep {sweep + 1}")
