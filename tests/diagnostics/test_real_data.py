"""The diagnostics on 92 tumours, four views of which each is missing for some."""

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.diagnostics import coverage

NOISE = fv.priors.Gamma(per_feature=True)


@pytest.fixture(scope="module")
def tumours(data_root):
    path = data_root / "omics/miniacc.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as file:
        data = {name: file[name].astype(float) for name in ("RNASeq2GeneNorm", "RPPAArray", "miRNASeqGene")}
    for name in ("RNASeq2GeneNorm", "miRNASeqGene"):
        data[name] = np.log1p(data[name])
    views = {name: fv.views.Real(values.shape[1], "feature", noise=NOISE) for name, values in data.items()}
    return fv.FAVAE(views, 6), data


@pytest.mark.data
def test_hidden_entries_lie_where_they_are_said_to(tumours, rng):
    model, data = tumours
    given = {name: np.where(rng.random(values.shape) < 0.1, np.nan, values) for name, values in data.items()}
    fit = fv.fit(model, given, epochs=60, seed=0, progress=False)
    table = coverage(fit, data, given, levels=[0.9], draws=100, seed=0)
    assert np.all(np.abs(table["coverage"] - 0.9) < 0.02 + 2 * table["standard_error"])
