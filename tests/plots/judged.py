"""Results of diagnostics, made up."""

import numpy as np
import pandas as pd

from pyro_favae import diagnostics


def psis_of(k, threshold=0.67):
    rows = pd.Series(k, [f"row {i}" for i in range(len(k))])
    return diagnostics.PSIS(everything=1.4, shared=0.3, rows=rows, threshold=threshold, draws=1000)


def uniform_ranks(n=160, draws=63):
    ranks = np.arange(n) % (draws + 1)
    return diagnostics.SBC(pd.DataFrame({"flat": ranks, "hump": np.clip(ranks, 24, 40)}), draws)


def table_of_coverage():
    index = pd.MultiIndex.from_product([["left", "right"], [0.5, 0.9]], names=["view", "level"])
    return pd.DataFrame({"coverage": [0.52, 0.91, 0.42, 0.8], "standard_error": 0.01}, index)
