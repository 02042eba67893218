"""Ctrl-C."""

import os
import signal
import threading

import numpy as np
import pytest
import torch

from pyro_favae.fitting import fit
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Image, Real


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_waits_and_the_second_strikes():
    before = signal.getsignal(signal.SIGINT)
    with DeferredInterrupt() as interrupt:
        interrupt.check()
        press()
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_is_left_alone():
    failures = []

    def work() -> None:
        try:
            with DeferredInterrupt() as interrupt:
                interrupt.check()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


def test_a_fit_that_is_interrupted_can_be_used():
    rng = np.random.default_rng(0)
    images = rng.random(size=(60, 1, 4, 4)).astype(np.float32)
    data = {"x": images, "a": rng.normal(size=(60, 3))}
    model = FAVAE({"x": Image((1, 4, 4), 2, network="dense"), "a": Real(3)}, 2)
    passes = []

    def callback(record) -> None:
        passes.append(record)
        if len(passes) == 3:
            press()

    result = fit(model, data, epochs=10_000, tolerance=1e-12, seed=0, progress=False, callbacks=[callback])
    assert len(result.history) == 3
    assert result.ended_by == "interrupted"
    assert np.isfinite(result.elbo)
    assert result.predict("a", {"x": images}).mean.shape == (60, 3)
    assert all(torch.isfinite(buffer).all() for buffer in result.posterior.buffers())
