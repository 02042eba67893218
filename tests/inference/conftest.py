"""What takes long and several tests of inference look at."""

import numpy as np
import pyro
import pytest
import torch
from pyro.infer import MCMC, NUTS

from pyro_favae.fitting import pyro_pair
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Real
from tests.inference.problems import PROPER


@pytest.fixture(scope="session")
def nuts():
    """Thirty rows of two views with one factor, their Pyro (model, guide), and draws by Pyro's NUTS."""
    rng = np.random.default_rng(1)
    n = 30
    factor = rng.normal(size=(n, 1))
    data = {}
    for name, size in (("a", 3), ("b", 2)):
        weights = rng.normal(size=(1, size)) + np.sign(rng.normal(size=(1, size)))
        data[name] = torch.as_tensor(factor @ weights + 0.6 * rng.normal(size=(n, size)))
    declaration = FAVAE(
        {name: Real(values.shape[1], standardise="none") for name, values in data.items()}, 1, **PROPER
    )
    model, guide = pyro_pair(declaration, n)
    pyro.set_rng_seed(0)
    kernel = NUTS(model, max_tree_depth=5, target_accept_prob=0.7)
    mcmc = MCMC(kernel, num_samples=200, warmup_steps=100, disable_progbar=True)
    mcmc.run(data)
    return data, (model, guide), mcmc.get_samples()
