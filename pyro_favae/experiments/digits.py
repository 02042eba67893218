"""How well a fit of digit images and a second, binary view generates and predicts, judged by a classifier."""

from dataclasses import dataclass

import numpy as np

from pyro_favae.experiments.judge import Judge
from pyro_favae.experiments.quality import expected_calibration_error, r2, spread
from pyro_favae.results import Fit

PER_CLASS = 100  # images generated for each class


@dataclass(frozen=True)
class DigitQuality:
    """Measured on held-out rows; report together, because each alone misleads."""

    recognised: float  # share of images generated from the second view that the judge takes for their class
    spread: float  # pixel variance within a class of generated images over that of real ones
    label: float  # accuracy of the class whose code is nearest to what the image predicts
    attributes: float  # accuracy of the single binary columns predicted from the image
    calibration: float  # expected calibration error of those probabilities
    reconstruction: float  # R² from the posterior mean against the training mean
    joint: float  # agreement of judged class and drawn code, image and code drawn from the same factors


def digit_quality(
    fit: Fit,
    judge: Judge,
    images: np.ndarray,
    labels: np.ndarray,
    codes: np.ndarray,
    baseline: np.ndarray,
    seed: int = 0,
) -> DigitQuality:
    """Measure a fit whose views are an image and the binary code of its class.

    images: held-out, (n, C, H, W) in [0, 1]. labels: (n,). codes: the second view of each class, (classes, D).
    baseline: mean training image.
    """
    image_view, code_view = fit.declaration.views
    classes = np.arange(len(codes))
    generated = fit.generate(image_view, {code_view: codes}, n=PER_CLASS, seed=seed)
    generated = generated.reshape(-1, *images.shape[1:])
    wanted = np.tile(classes, PER_CLASS)
    predicted = fit.predict(code_view, {image_view: images}).mean.clip(0, 1)  # a real view may leave [0, 1]
    drawn = fit.generate([image_view, code_view], n=PER_CLASS * len(codes), seed=seed, expected=True)
    judged = judge.predict(drawn[image_view][:, 0])
    return DigitQuality(
        recognised=float((judge.predict(generated) == wanted).mean()),
        spread=spread(generated, wanted, images, labels),
        label=float((nearest_code(predicted, codes) == labels).mean()),
        attributes=float(((predicted > 0.5) == codes[labels]).mean()),
        calibration=expected_calibration_error(predicted, codes[labels]),
        reconstruction=r2(fit.reconstruct(image_view, images), images, baseline),
        joint=float((nearest_code(drawn[code_view][:, 0], codes) == judged).mean()),
    )


def nearest_code(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The class whose code is likeliest under independent probabilities (n, D), (n,)."""
    bounded = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return (np.log(bounded) @ codes.T + np.log1p(-bounded) @ (1 - codes).T).argmax(1)
