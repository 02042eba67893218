"""Pictures look as they did when someone last looked at them."""

import pytest
from matplotlib.testing.compare import compare_images

from tests.plots.baseline import FOLDER, pictures, save

TOLERANCE = 4  # root mean square of the differences of pixels, of 255: edges fall otherwise on other machines


@pytest.fixture(scope="module")
def drawn():
    return pictures()


def test_what_is_stored_is_what_is_drawn(drawn):
    assert {path.stem for path in FOLDER.glob("*.png")} == set(drawn)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.png")), ids=lambda path: path.stem)
def test_it_looks_as_it_did(path, drawn, tmp_path):
    save(drawn[path.stem], tmp_path / path.name)
    assert compare_images(path, tmp_path / path.name, TOLERANCE) is None


def test_a_mark_elsewhere_would_be_seen(drawn, tmp_path):
    def changed():
        ax = drawn["sharing"]()
        points = ax.collections[0]
        points.set_offsets(points.get_offsets() + [1, 0])
        return ax

    save(changed, tmp_path / "changed.png")
    assert compare_images(FOLDER / "sharing.png", tmp_path / "changed.png", TOLERANCE) is not None
