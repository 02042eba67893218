import torch

from pyro_favae.diagnostics.row_sample import RowSample


def test_all_rows_stay_while_they_fit():
    sample = RowSample(10)
    for part in torch.arange(10.0)[:, None].split(3):
        sample.add(part)
    assert sorted(sample.rows()[0][:, 0].tolist()) == list(range(10))


def test_every_row_is_as_likely_to_stay():
    times = torch.zeros(100)
    for seed in range(400):
        sample = RowSample(10, seed)
        for part in torch.arange(100)[:, None].split(7):
            sample.add(part)
        rows = sample.rows()[0][:, 0]
        assert len(rows) == len(rows.unique()) == 10
        times[rows] += 1
    # counts of 400 draws of probability a tenth
    assert (times - 40).abs().max() < 4.5 * (400 * 0.1 * 0.9) ** 0.5


def test_memory_is_bounded():
    sample = RowSample(10)
    for part in torch.arange(1000)[:, None].split(5):
        sample.add(part)
        assert sum(len(rows) for (rows,) in sample._rows) <= 20
