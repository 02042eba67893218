"""Missing-data patterns, their covariances, and what a snapshot remembers of them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pyro_favae.data import prepare
from pyro_favae.fitting import pyro_pair
from pyro_favae.inference import covariance, linear_algebra, snapshot
from pyro_favae.inference.covariance import PatternCovariance, RowCovariance, group_patterns
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.row_inference import infer_rows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Bernoulli
from tests.inference.problems import problem


def masks(rows: int, width: int, share: float = 0.6) -> Tensor:
    return torch.as_tensor(np.random.default_rng(0).random((rows, width)) < share).double()


def assert_groups(values: Tensor) -> None:
    """Every row is the pattern it points to, and no pattern occurs twice."""
    patterns, index = group_patterns(values)
    assert torch.equal(patterns[index], values)
    assert len(patterns) == len(values.unique(dim=0))
    assert set(index.tolist()) == set(range(len(patterns)))


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (1, 5), (50, 1), (50, 3), (200, 70)])
def test_rows_are_grouped_by_pattern(rows, width):
    assert_groups(masks(rows, width))


def test_one_pattern_alone():
    for value in (0.0, 1.0):
        patterns, index = group_patterns(torch.full((7, 3), value))
        assert (patterns == value).all()
        assert patterns.shape == (1, 3)
        assert (index == 0).all()


def test_fingerprints_that_collide_fall_back(monkeypatch):
    """With a direction of ones, rows of as many entries have one fingerprint."""
    values = masks(50, 4)
    monkeypatch.setattr(torch, "rand", lambda width, **_: torch.ones(width, dtype=torch.float64))
    assert len((values @ torch.ones(4).double()).unique()) < len(values.unique(dim=0))
    assert_groups(values)


def rows_covariance(patterns: int, rows: int = 40, size: int = 3) -> RowCovariance:
    rng = np.random.default_rng(0)
    root = torch.as_tensor(rng.normal(size=(patterns, size, size)))
    precision = root @ root.mT + torch.eye(size).double()
    return RowCovariance(
        *PatternCovariance.of(precision), torch.as_tensor(rng.integers(0, patterns, size=rows))
    )


@pytest.mark.parametrize("patterns", [1, 2, 7, 40])
@pytest.mark.parametrize("few", [1, 1000], ids=["a matrix for each row", "a loop over patterns"])
def test_products_and_sums_by_pattern(patterns, few, monkeypatch):
    monkeypatch.setattr(covariance, "FEW_PATTERNS", few)
    q = rows_covariance(patterns)
    vectors = torch.as_tensor(np.random.default_rng(1).normal(size=(40, 2, 3)))
    expected = torch.einsum("nkl,ncl->nck", q.matrices[q.index], vectors)
    torch.testing.assert_close(q.times(vectors), expected, rtol=1e-12, atol=1e-12)
    totals = torch.stack([vectors[q.index == pattern].sum(0) for pattern in range(patterns)])
    torch.testing.assert_close(q.totals(vectors), totals, rtol=1e-12, atol=1e-12)
    logs = torch.linalg.slogdet(q.matrices).logabsdet[q.index]
    torch.testing.assert_close(q.log_determinants, logs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["missing entries", "encoder", "groups", "all"])
def test_many_patterns_give_the_result_of_few(name, monkeypatch):
    """Rows together, whatever their number of patterns, are the rows one at a time."""
    p = problem(name, n=40)
    together = p.infer(iterations=5)
    if name != "all":  # where logits give each row a matrix of its own
        assert 1 < len(together.covariance.matrices) < 40
    alone = [p.part(slice(n, n + 1)).infer(iterations=5) for n in range(40)]
    monkeypatch.setattr(covariance, "FEW_PATTERNS", 0)
    for rows in (together, p.infer(iterations=5)):
        factors = torch.cat([row.factors for row in alone])
        torch.testing.assert_close(rows.factors, factors, rtol=1e-10, atol=1e-10)
        spread = torch.cat([row.spread() for row in alone])
        torch.testing.assert_close(rows.spread(), spread, rtol=1e-10, atol=1e-10)
        total = sum(row.total_moments for row in alone)
        torch.testing.assert_close(rows.total_moments, total, rtol=1e-10, atol=1e-10)
        if rows.groups.count > 1:
            by_group = sum(row.group_moments() for row in alone)
            torch.testing.assert_close(rows.group_moments(), by_group, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "name", ["real", "missing entries", "encoder", "mixture", "groups", "groups, missing entries", "all"]
)
def test_what_a_snapshot_remembers_changes_nothing(name, monkeypatch):
    p = problem(name, n=30)
    parts = [p.part(rows) for rows in (slice(0, 15), slice(15, 30), slice(0, 15))]
    kept = Snapshot(p.posterior)
    first = [part.infer(iterations=5, snapshot=kept) for part in parts]
    monkeypatch.setattr(snapshot, "KEPT_PATTERN", 0)
    forgetful = Snapshot(p.posterior)
    second = [part.infer(iterations=5, snapshot=forgetful) for part in parts]
    assert not forgetful.patterns
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.factors, b.factors)
        assert torch.equal(a.spread(), b.spread())


def test_a_snapshot_remembers_by_views_and_pattern(monkeypatch):
    p = problem("real", n=30)
    kept, counted = Snapshot(p.posterior), []
    invert = PatternCovariance.of
    monkeypatch.setattr(PatternCovariance, "of", lambda precision: counted.append(1) or invert(precision))
    for subset in ([0, 1, 2], [0, 1], [1, 2], [2]):
        for _ in range(2):
            views = [p.view_rows(kept)[v] for v in subset]
            rows = infer_rows(kept, views, p.n, iterations=1)
            fresh = Snapshot(p.posterior)
            expected = infer_rows(fresh, [p.view_rows(fresh)[v] for v in subset], p.n, iterations=1)
            assert torch.equal(rows.factors, expected.factors)
    assert len(kept.patterns) == 4
    assert len(counted) == 4 + 8  # of the kept, and of the fresh ones


def test_patterns_of_rows_and_of_entries_are_told_apart():
    """The same zeros and ones, of one view's entries and another's rows, then the other way round."""
    p = problem("noise of each feature", n=2)
    whole = torch.ones(2, 1, dtype=torch.bool)
    first, second = torch.tensor([[True, False], [True, True]]), torch.tensor([[False, True], [True, True]])
    kept = Snapshot(p.posterior)
    for p.observed in ([whole, first, whole], [whole, whole, second]):
        assert torch.equal(p.infer(snapshot=kept).factors, p.infer().factors)


@pytest.mark.parametrize("name", ["missing entries", "all"])
def test_a_snapshot_does_not_follow_updates(name):
    p, kept = problem(name), problem(name)
    snapshot = Snapshot(p.posterior)
    p.sweep(1)
    rows, expected = p.infer(snapshot=snapshot), kept.infer()
    assert torch.equal(rows.factors, expected.factors)
    assert torch.equal(rows.spread(), expected.spread())


def test_a_way_that_asks_nothing_gives_the_same(monkeypatch):
    p = problem("all", n=20)
    asking = p.infer(iterations=5)
    for module in (covariance, linear_algebra):
        monkeypatch.setattr(module, "asking_waits", lambda values: True)
    other = p.infer(iterations=5)
    for a, b in ((asking.factors, other.factors), (asking.spread(), other.spread())):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_row_specific_precisions_are_factorised_all_at_once(monkeypatch):
    """As many factorisations for few rows as for many."""
    factorise, counts = torch.linalg.cholesky_ex, []
    for n in (5, 50):
        shapes = []
        monkeypatch.setattr(
            torch.linalg, "cholesky_ex", lambda a, s=shapes: s.append(a.shape) or factorise(a)
        )
        rows = problem("all", n=n).infer(iterations=2, tolerance=0.0)
        assert len(rows.covariance.matrices) == n
        assert any(shape[0] == n for shape in shapes)
        counts.append(len(shapes))
    assert counts[0] == counts[1]


@pytest.mark.filterwarnings("ignore::pyro_favae.errors.SpecWarning")
def test_a_chunk_of_rows_holds_no_more_matrices_than_fit():
    for factors, largest in ((10, 4096), (300, 200)):
        model = FAVAE({"labels": Bernoulli(5)}, n_factors=factors)
        dataset = prepare(model, {"labels": np.random.default_rng(0).integers(0, 2, (400, 5))})
        passes = Passes(pyro_pair(model, 400)[1], dataset, 100, DeferredInterrupt())
        assert 100 < passes.chunk <= largest
