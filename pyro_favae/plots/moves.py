"""Rows of a view reconstructed, edited, traversed and generated, as pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from pyro_favae.data import given_views, require_view
from pyro_favae.errors import SpecError
from pyro_favae.plots.canvas import readable
from pyro_favae.plots.mosaic import images as draw_images
from pyro_favae.results import Fit

CPU = torch.device("cpu")
LONG_NAME = 5  # letters of an attribute beyond which its setting takes two lines


def traversal(
    fit: Fit,
    view: str,
    data: Any = None,
    *,
    factors: Sequence[int] | int | None = None,
    dimensions: Sequence[int] | int | None = None,
    steps: int = 7,
    span: float = 3.0,
    ax: Axes | None = None,
) -> Axes:
    """One row of images for each factor or latent dimension, as it moves by ±span standard deviations.

    Starts from the first row of ``data``, or from the centre of the prior. The factors that the view uses when
    neither is named.
    """
    require_view(fit.declaration, view)
    if factors is not None and dimensions is not None:
        raise SpecError("traversal: give factors= or dimensions=, not both")
    if dimensions is None:
        what = "factor"
        moved = np.flatnonzero(fit.active.loc[view]) if factors is None else np.atleast_1d(factors)
    else:
        what, moved = "dimension", np.atleast_1d(dimensions)
    if not len(moved):
        raise SpecError(f"traversal: view {view!r} uses no factor; name some with factors= or dimensions=")
    grid = [fit.traverse(view, data, **{what: int(i)}, steps=steps, span=span)[:, 0] for i in moved]
    offsets = np.linspace(-span, span, steps)
    return draw_images(
        np.stack(grid),
        row_titles=[f"{what} {i}" for i in moved],
        column_titles=[f"{offset:+.3g}" if offset else "0" for offset in offsets],
        title=f"{readable(view)}: one {'factor' if what == 'factor' else 'latent dimension'} moved, in sd",
        ax=ax,
    )


def edits(
    fit: Fit,
    view: str,
    images: Any,
    settings: Mapping[str, float] | Sequence[Mapping[str, float]],
    ax: Axes | None = None,
) -> Axes:
    """Each image (n, C, H, W), its reconstruction, and what becomes of it under each setting.

    settings: ``{"loop": 1, "even": 0}`` makes one column an attribute; a list of such mappings one column each,
    whose attributes change together.
    """
    changes = (
        [{name: value} for name, value in settings.items()] if isinstance(settings, Mapping) else settings
    )
    columns = [
        _pixels(fit, view, images),
        fit.reconstruct(view, images),
        *(fit.edit(view, images, change) for change in changes),
    ]
    titles = ["\n".join(_setting(*item) for item in change.items()) for change in changes]
    return draw_images(
        np.stack(columns, 1),
        column_titles=["original", "recon-\nstructed", *titles],
        title=f"{readable(view)}, edited",
        ax=ax,
    )


def _pixels(fit: Fit, view: str, images: Any) -> np.ndarray:
    """Images as the model sees them, (n, C, H, W) in [0, 1]; grey where a row lacks the view."""
    require_view(fit.declaration, view)
    values, observed = given_views(fit.declaration, {view: images}).views[view].batch(slice(None), CPU)
    known = observed.reshape(*observed.shape, *[1] * (values.dim() - observed.dim()))
    return values.where(known, np.nan).numpy()


def _setting(name: str, value: float) -> str:
    """A title no wider than its image."""
    name = readable(name)
    return f"{name} = {value:g}" if len(name) <= LONG_NAME else f"{name}\n= {value:g}"


def reconstructions(fit: Fit, view: str, images: Any, ax: Axes | None = None) -> Axes:
    """Images (n, C, H, W) in a row, and below each what the model makes of it."""
    return draw_images(
        np.stack([_pixels(fit, view, images), fit.reconstruct(view, images)]),
        row_titles=["original", "reconstructed"],
        title=f"{readable(view)}, reconstructed from its latents",
        ax=ax,
    )


def interpolation(
    fit: Fit,
    view: str,
    start: Any,
    end: Any,
    *,
    steps: int = 7,
    space: str = "private",
    ax: Axes | None = None,
) -> Axes:
    """A strip for each pair of images (n, C, H, W): the start, the steps on the way to the end, the end.

    space: ``"private"`` moves the view's latents, ``"shared"`` only what the shared factors say of them, so that
    the last step need not look like the end.
    """
    way = fit.interpolate(view, start, end, steps, space)
    columns = [_pixels(fit, view, start), *way, _pixels(fit, view, end)]
    shares = [f"{100 * share:.0f} %" for share in np.linspace(0, 1, steps)]
    return draw_images(
        np.stack(columns, 1),
        column_titles=["start", *shares, "end"],
        title=f"{readable(view)}: from start to end in the {space} space",
        ax=ax,
    )


def generated(
    fit: Fit,
    view: str,
    given: Mapping[str, Any] | None = None,
    n: int = 8,
    *,
    titles: Sequence[str] | None = None,
    seed: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """n draws of an image view for each row that is given, one row of images each; from the prior if none is.

    titles: of the rows; the attributes that are on, where only a binary view is given.
    """
    draws = fit.generate(view, given, n=n, seed=seed)
    if given is None:
        return draw_images(draws[:, 0], title=f"{readable(view)}, generated from nothing", ax=ax)
    titles = _attributes_on(fit, given) if titles is None else titles
    title = f"{readable(view)}, generated from {', '.join(map(readable, given))}"
    return draw_images(draws.swapaxes(0, 1), row_titles=titles, title=title, ax=ax)


def _attributes_on(fit: Fit, given: Mapping[str, Any]) -> list[str] | None:
    """What is set in each row of the only view given, if it is binary."""
    views = list(given_views(fit.declaration, given).views.values())
    if len(views) > 1 or not views[0].view.binary:
        return None
    values, observed = views[0].batch(slice(None), CPU)
    on, names = (values * observed).numpy(), views[0].view.feature_names
    return [
        ", ".join(readable(f) for f, here in zip(names, row, strict=True) if here) or "none" for row in on
    ]
