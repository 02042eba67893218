import pytest
import torch

from pyro_favae.datasets._torchvision import import_torchvision, skip_missing_operators


def test_datasets_transforms_and_grids_work():
    torchvision = import_torchvision()
    assert torchvision.datasets.MNIST.__name__ == "MNIST"
    assert torchvision.utils.make_grid(torch.zeros(4, 1, 8, 8), nrow=2, padding=0).shape == (3, 16, 16)
    assert torchvision.transforms.functional.hflip(torch.tensor([[[1, 2]]])).tolist() == [[[2, 1]]]


def test_only_missing_torchvision_operators_are_skipped():
    original = torch.library.Library.impl
    vision = torch.library.Library("torchvision", "FRAGMENT")
    other = torch.library.Library("favae_test", "FRAGMENT")
    with skip_missing_operators():
        vision.impl("torchvision::favae_absent", lambda x: x, "Meta")
        with pytest.raises(RuntimeError, match="favae_test::absent"):
            other.impl("favae_test::absent", lambda x: x, "Meta")
    assert torch.library.Library.impl is original
    with pytest.raises(RuntimeError, match="torchvision::favae_absent"):
        vision.impl("torchvision::favae_absent", lambda x: x, "Meta")


def test_a_present_operator_is_registered_as_ever():
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("favae_twice(Tensor x) -> Tensor")
    with skip_missing_operators():
        library.impl("favae_twice", lambda x: 2 * x, "CPU")
    assert torch.ops.torchvision.favae_twice(torch.tensor(3)).item() == 6


def test_the_patch_is_lifted_after_an_error():
    original = torch.library.Library.impl
    with pytest.raises(ImportError), skip_missing_operators():
        raise ImportError
    assert torch.library.Library.impl is original
