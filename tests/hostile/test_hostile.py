"""Inputs that nobody should pass: the library refuses them with its own errors, or does what they say."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile import declarations, files, questions, settings, tables
from tests.hostile.family import Family, put

FAMILIES = [
    *declarations.FAMILIES,
    *tables.FAMILIES,
    *settings.FAMILIES,
    *questions.FAMILIES,
    *files.FAMILIES,
]
EVERYDAY, ALL = 40, 840  # questions to a family with a share of one
REFUSED = 10_000
SPARE_BYTES = 2**31


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """What asks for more memory than this process has and two gigabytes gets a MemoryError."""
    resource, pages = pytest.importorskip("resource"), Path("/proc/self/statm")
    if not pages.exists():
        pytest.skip("how much memory this process has is read from Linux's /proc")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(pages.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + SPARE_BYTES, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_nothing_but_errors_of_its_own(family: Family) -> None:
    assert put(family, EVERYDAY)["refused"]


@pytest.mark.slow
def test_ten_thousand() -> None:
    questions.fitted()
    started, counts = time.process_time(), Counter()
    for family in FAMILIES:
        counts += put(family, ALL)
    print(f"{dict(counts)} in {time.process_time() - started:.0f} s")
    assert counts["refused"] >= REFUSED
    assert time.process_time() - started < 60
