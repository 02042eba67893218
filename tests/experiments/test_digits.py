import numpy as np

from pyro_favae.datasets import digit_attributes
from pyro_favae.experiments.digits import nearest_code


def test_a_code_is_nearest_to_itself():
    codes = digit_attributes(np.arange(10)).to_numpy(float)
    assert list(nearest_code(codes, codes)) == list(range(10))
    assert list(nearest_code(0.3 + 0.4 * codes, codes)) == list(range(10))


def test_the_nearest_code_is_the_likeliest():
    codes = np.array([[1.0, 0], [0, 1], [1, 1]])
    probabilities = np.array([[0.9, 0.6], [0.2, 0.1]])
    likelihoods = np.prod(np.where(codes == 1, probabilities[:, None], 1 - probabilities[:, None]), axis=2)
    assert list(nearest_code(probabilities, codes)) == list(likelihoods.argmax(1))
