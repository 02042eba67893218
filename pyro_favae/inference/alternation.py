"""Closed forms and networks by turns: where a block of exact sweeps ends. FA-VAE paper, Algorithm 1."""

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

NETWORK_PASSES = 5  # of minibatches between two blocks of sweeps, with the global posterior as it is
MOST_SWEEPS = 20  # in a block; so near its optimum the networks move what is left of the way


def sweeps_suffice(records: Sequence[Mapping], trained: Collection[str], tolerance: float) -> bool:
    """Whether the sweeps since networks were trained last have nearly converged, or are enough.

    They are judged by what is theirs: the bound without the likelihoods of the trained views' data, which sweeps do
    not change. tolerance: smallest gain, as a share of that, with which the sweeps go on.
    """
    block = list(takewhile(lambda record: record["stage"] == "sweep", reversed(records)))
    if len(block) < 2 or len(block) >= MOST_SWEEPS:
        return len(block) >= MOST_SWEEPS
    now, before = (
        record["elbo"] - sum(record[f"{name}.likelihood"] for name in trained) for record in block[:2]
    )
    return now - before < tolerance * abs(now)
