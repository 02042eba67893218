import pytest

from tests.diagnostics import simulated


@pytest.fixture(scope="session")
def simulation():
    return simulated.simulate()


@pytest.fixture(scope="session")
def fit(simulation):
    return simulated.fit(simulation.data)
