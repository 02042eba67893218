"""How good reconstructions, generated images and predicted probabilities are: numbers without a unit."""

import numpy as np
from numpy.typing import ArrayLike

from pyro_favae.diagnostics import expected_calibration_error
from pyro_favae.errors import DataError

__all__ = ["expected_calibration_error", "r2", "spread"]


def r2(reconstruction: ArrayLike, images: ArrayLike, baseline_mean: ArrayLike) -> float:
    """Return 1 - SSE / SSE of the baseline: 1 is exact, 0 is no better than the mean training image.

    Args:
        reconstruction: (n, ...) reconstructed images.
        images: (n, ...) the images themselves, on the same scale.
        baseline_mean: (...) per-pixel mean of the training images.
    """
    reconstruction, images, baseline_mean = _arrays(reconstruction, images, baseline_mean)
    if reconstruction.shape != images.shape or baseline_mean.shape != images.shape[1:]:
        raise DataError(
            f"images of shape {images.shape}: expected a reconstruction of that shape and a mean of shape "
            f"{images.shape[1:]}, got {reconstruction.shape} and {baseline_mean.shape}"
        )
    return float(1 - np.sum((images - reconstruction) ** 2) / np.sum((images - baseline_mean) ** 2))


def spread(images: ArrayLike, labels: ArrayLike, real_images: ArrayLike, real_labels: ArrayLike) -> float:
    """Return how varied generated images are within a class, relative to real ones.

    Of each, the unbiased variances of the pixels around their class mean are summed over pixels and averaged
    over the classes that were generated: 1 is as varied as real images, 0 is one image a class.

    Args:
        images: (n, ...) generated images.
        labels: (n,) the class each was generated for; two images or more a class.
        real_images: (m, ...) real images, on the same scale.
        real_labels: (m,) their classes.
    """
    classes = np.unique(labels)
    return _within_class_variance(images, labels, classes) / _within_class_variance(
        real_images, real_labels, classes
    )


def _within_class_variance(images: ArrayLike, labels: ArrayLike, classes: np.ndarray) -> float:
    """Return the unbiased variances within a class, summed over pixels and averaged over classes."""
    (images,), labels = _arrays(images), np.asarray(labels)
    if len(images) != len(labels):
        raise DataError(f"labels: expected one for each of {len(images)} images, got {len(labels)}")
    totals = []
    for label in classes:
        members = images[labels == label]
        if len(members) < 2:
            raise DataError(
                f"class {label}: expected two images or more to measure a variance, got {len(members)}"
            )
        totals.append(members.var(axis=0, ddof=1).sum())
    return float(np.mean(totals))


def _arrays(*values: ArrayLike) -> tuple[np.ndarray, ...]:
    """Return float64 arrays."""
    return tuple(np.asarray(value, dtype=np.float64) for value in values)
