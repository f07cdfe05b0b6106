"""Regions of a prediction on a GPU equal those of the same prediction on the CPU."""

from collections.abc import Iterator

from mask3d_core.errors import InputError
from mask3d_core.extraction.regions import find_regions, Regions, split_regions
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration

if not hasattr(backend_registration, '_setup_privateuseone_for_python_backend'):
    pytest.skip('this torch has no Python backend to emulate a device', allow_module_level=True)
from pretend_cuda import DEVICE, PretendCuda  # noqa: E402


@pytest.fixture(autouse=True)
def _pretend() -> Iterator[None]:
    with PretendCuda():
        yield


def make_logits(rows: int = 40_000) -> Tensor:
    """Return logits of five queries: many voxels, few, none, all, and zeros, which are outside."""
    logits = torch.randn(rows, 5, generator=torch.Generator().manual_seed(0))
    logits[:, 1] -= 3
    logits[:, 2], logits[:, 3], logits[:, 4] = -1, 1, 0
    return logits


def assert_equal(there: Regions, here: Regions) -> None:
    assert np.array_equal(there.query, here.query)
    assert all(map(np.array_equal, there.voxels, here.voxels))
    np.testing.assert_allclose(there.confidence, here.confidence, rtol=1e-12)


@pytest.mark.parametrize('on_segments', [False, True])
def test_find_and_split(on_segments: bool) -> None:
    logits = make_logits()
    segment = torch.arange(60_000) % len(logits) if on_segments else None
    here = find_regions(logits, segment)
    on_gpu = logits.to(DEVICE), None if segment is None else segment.to(DEVICE)
    assert_equal(find_regions(*on_gpu), here)
    assert [len(rows) > 0 for rows in here.voxels] == [True, True, False, True, False]

    labels = [np.arange(len(rows)) % 3 - 1 for rows in here.voxels]  # noise and two clusters
    labels[1][:] = 0
    parts = split_regions(here, logits, segment, labels)
    assert parts.query.tolist() == [0, 0, 1, 3, 3]
    assert_equal(split_regions(here, *on_gpu, labels), parts)
    nothing = [np.zeros(len(rows), np.int64) for rows in here.voxels]
    assert split_regions(here, *on_gpu, nothing).query.tolist() == [0, 1, 3]


def test_nan_is_an_error() -> None:
    logits = make_logits(100)
    logits[50, 2] = torch.nan
    for device in (torch.device('cpu'), DEVICE):
        with pytest.raises(InputError, match='the network predicted NaN'):
            find_regions(logits.to(device), None)
