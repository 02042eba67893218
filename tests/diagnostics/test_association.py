import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from pyro_favae.diagnostics import associate
from pyro_favae.errors import DataError


@pytest.fixture(scope="module")
def covariates(fit, simulation):
    """What goes with factor 0 or with nothing, and has gaps."""
    rng = np.random.default_rng(1)
    g = fit.transform(simulation.data).mean[:, 0]
    frame = pd.DataFrame(
        {
            "age": 50 + 5 * g + 10 * rng.normal(size=len(g)),
            "sex": np.where(g + 2 * rng.normal(size=len(g)) > 0, "m", "f"),
            "tissue": np.array(["lung", "skin", "colon"])[np.digitize(g + rng.normal(size=len(g)), [-1, 1])],
            "noise": rng.normal(size=len(g)),
            "smokes": rng.random(len(g)) > 0.5,
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::5, ["sex", "tissue"]] = None
    return frame


@pytest.fixture(scope="module")
def table(fit, simulation, covariates):
    return associate(fit, simulation.data, covariates)


def test_every_active_factor_with_every_covariate(fit, table, covariates):
    active = np.flatnonzero(fit.active.any())
    assert len(table) == 3 * 5
    assert set(table["factor"]) == set(active)
    assert list(table["covariate"][:5]) == list(covariates.columns)
    assert list(table["kind"][:5]) == ["numeric", "binary", "categorical", "numeric", "binary"]
    assert list(table["rows"][:3]) == [600, 560, 560]


def test_effects_and_tests_are_the_textbooks(fit, simulation, table, covariates):
    g = fit.transform(simulation.data).mean[:, 0]
    found = table[table["factor"] == 0].set_index("covariate")
    known = covariates["age"].notna()
    r = stats.pearsonr(g[known], covariates["age"][known])
    assert found.loc["age", ["effect", "p"]].tolist() == pytest.approx(list(r))
    known = covariates["sex"].notna()
    male = covariates["sex"][known] == "m"
    assert found.loc["sex", "effect"] == pytest.approx(roc_auc_score(male, g[known]))
    assert found.loc["sex", "p"] == pytest.approx(stats.mannwhitneyu(g[known][male], g[known][~male]).pvalue)
    groups = [part.to_numpy() for _, part in pd.Series(g).groupby(covariates["tissue"])]
    assert found.loc["tissue", "p"] == pytest.approx(stats.f_oneway(*groups).pvalue, rel=1e-6)
    within = sum(((part - part.mean()) ** 2).sum() for part in groups)
    everyone = np.concatenate(groups)
    assert found.loc["tissue", "effect"] == pytest.approx(
        1 - within / ((everyone - everyone.mean()) ** 2).sum()
    )


def test_p_values_are_adjusted_over_the_table(table):
    np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]))
    real = (table["factor"] == 0) & table["covariate"].isin(["age", "sex", "tissue"])
    assert (table.loc[real, "q"] < 1e-4).all()
    assert (table.loc[table["covariate"] == "noise", "q"] > 0.01).all()


def test_reliability_is_what_the_rows_leave_certain(table, fit, simulation):
    """Nearly 1 here, and less with one view of the two."""
    assert table["reliability"].between(0.9, 1).all()
    left = associate(fit, {"left": simulation.data["left"]}, pd.Series(np.arange(700.0), name="order"))
    private = {tuple(column): factor for factor, column in fit.active.items()}[(False, True)]
    assert left.set_index("factor").loc[private, "reliability"] < 0.05


def test_rows_are_found_by_name(fit, simulation, covariates, table):
    names = [f"row {i}" for i in range(700)]
    named = {name: pd.DataFrame(values, names) for name, values in simulation.data.items()}
    shuffled = covariates.set_axis(names).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(associate(fit, named, shuffled), table)
    few = associate(fit, named, shuffled.iloc[:50][["noise"]])
    assert set(few["rows"]) == {50}


def test_what_cannot_be_tested_is_nan(fit, simulation):
    n = 700
    rare = np.full(n, np.nan)
    rare[:2] = [1, 2]
    frame = pd.DataFrame(
        {"one": np.ones(n), "rare": rare, "id": [f"{i}" for i in range(n)], "none": [None] * n}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = associate(fit, simulation.data, frame)
    assert found[["p", "q"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones(700), "expected a data frame"),
        (pd.DataFrame({"x": np.ones(3)}), "3 rows, expected 700"),
        (pd.DataFrame(np.ones((700, 2)), columns=["x", "x"]), "repeat"),
        (pd.DataFrame({"x": [np.inf, *range(699)]}), "infinite"),
    ],
)
def test_covariates_that_do_not_match(fit, simulation, wrong, message):
    with pytest.raises(DataError, match=message):
        associate(fit, simulation.data, wrong)


def test_names_that_are_no_rows(fit, simulation):
    named = {k: pd.DataFrame(v, [f"row {i}" for i in range(700)]) for k, v in simulation.data.items()}
    with pytest.raises(DataError, match="none of the rows"):
        associate(fit, named, pd.DataFrame({"x": range(700)}))
