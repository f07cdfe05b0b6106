"""Masks that are clustered on a GPU are those of the CPU."""

from collections.abc import Iterator

from mask3d_core.errors import InputError
from mask3d_core.extraction import clustered_regions as module
from mask3d_core.extraction.clustered_regions import clustered_regions
from mask3d_core.extraction.regions import Regions
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration

if not hasattr(backend_registration, '_setup_privateuseone_for_python_backend'):
    pytest.skip('this torch has no Python backend to emulate a device', allow_module_level=True)
from pretend_cuda import DEVICE, PretendCuda, waits  # noqa: E402

EPS = 0.5
CENTERS = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0)) * 4


@pytest.fixture(autouse=True)
def _pretend() -> Iterator[None]:
    with PretendCuda():
        yield


def make_logits(rows: int = 4000) -> Tensor:
    """Return logits of six queries: all voxels, none, two pieces, and some here and there."""
    draw = torch.Generator().manual_seed(1)
    logits = torch.randn(rows, 6, generator=draw)
    logits[:, 0], logits[:, 1] = 1, -1
    x = CENTERS[:rows, 0]
    logits[:, 2] = ((x < 1) | (x > 2)).float() - 0.5 + 0.1 * logits[:, 2]
    logits[:, 3:] -= torch.tensor([1.5, 2, 2.5])
    return logits


def here_and_there(logits: Tensor, segment: Tensor | None = None, min_points: int = 1,
                   ) -> tuple[Regions, Regions]:
    """Return the regions that are found on the CPU and on the emulated GPU."""
    here, there = (clustered_regions(
        logits.to(device), None if segment is None else segment.to(device), CENTERS, EPS,
        min_points)[0] for device in (torch.device('cpu'), DEVICE))
    assert here.query.tolist() == there.query.tolist()
    assert all(map(np.array_equal, here.voxels, there.voxels))
    assert all(rows.dtype == np.int64 for rows in there.voxels)
    # float32 sigmoids: the last bit depends on how they are vectorized
    np.testing.assert_allclose(there.confidence, here.confidence, rtol=1e-6)
    return here, there


def test_masks_of_voxels() -> None:
    here, _ = here_and_there(make_logits())
    assert here.query.tolist()[:3] == [0, 2, 2] and len(here.query) > 20


def test_masks_on_segments() -> None:
    here, _ = here_and_there(make_logits(400), torch.arange(4000) % 400)
    assert len(here.query) > 20


def test_no_mask_at_all() -> None:
    here, there = here_and_there(make_logits() - 100)
    assert not len(here.query) and not there.voxels and there.confidence.shape == (0,)


def test_other_settings_are_clustered_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'cluster_pairs', lambda *_: None)
    (one, _), (two, _) = here_and_there(make_logits()), here_and_there(make_logits(), min_points=3)
    assert len(one.query) != len(two.query)


def test_the_host_waits_for_sizes_only() -> None:
    """Not for each mask, nor for each cluster: six queries with many as with few."""
    logits = make_logits().to(DEVICE)
    waits.clear()
    clustered_regions(logits, None, CENTERS, EPS, 1)
    assert waits and len(waits) <= 30 and set(waits) <= {
        'nonzero', '_unique2', '_local_scalar_dense', 'tolist', '_to_copy'}


def test_nan_is_an_error() -> None:
    logits = make_logits()
    logits[50, 2] = torch.nan
    for device in (torch.device('cpu'), DEVICE):
        with pytest.raises(InputError, match='the network predicted NaN'):
            clustered_regions(logits.to(device), None, CENTERS, EPS, 1)
