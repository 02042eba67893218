"""The mask of active factors."""

import numpy as np
import pytest

from pyro_favae.fitting import fit
from pyro_favae.inference.activity import FALSE_ALARM, thresholds
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Real


@pytest.mark.parametrize("features", [1, 3, 8])
def test_chance_passes_the_threshold_as_rarely_as_said(features, rng):
    """A useless factor's estimated weights, of unit posterior variance each, after relevance determination."""
    posterior = fit(
        FAVAE({"a": Real(features)}, 1),
        {"a": rng.normal(size=(20, features))},
        epochs=2,
        seed=0,
        progress=False,
    ).posterior
    squares = rng.chisquare(features, size=1_000_000)
    determination = 1 - features / squares
    rate = (determination > float(thresholds(posterior)[0])).mean()
    assert abs(rate - FALSE_ALARM) < 4 * np.sqrt(FALSE_ALARM / len(squares))


def test_views_of_many_features_need_half():
    posterior = fit(
        FAVAE({"a": Real(200)}, 1),
        {"a": np.random.default_rng(0).normal(size=(20, 200))},
        epochs=2,
        progress=False,
    ).posterior
    assert float(thresholds(posterior)[0]) == 0.5


@pytest.mark.parametrize("features", [3, 8, 30])
def test_independent_views_share_no_factor(features):
    wrong = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        factors = rng.normal(size=(300, 2))
        data = {
            name: factors[:, [k]] * rng.normal(size=features) + 0.1 * rng.normal(size=(300, features))
            for k, name in enumerate(("a", "b"))
        }
        model = FAVAE({"a": Real(features), "b": Real(features)}, 4)
        active = fit(model, data, seed=seed, progress=False).active
        assert active.any(axis=1).all()
        wrong += int(active.to_numpy().sum()) - 2
    assert wrong == 0
