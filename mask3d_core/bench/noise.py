"""The noise with which benchmarks measure a scan several times."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.scan import Scan
import numpy as np

NOISE = 0.005
"""Metres: standard deviation of what is added to each coordinate, anew for each map."""


def noisy(scan: Scan, random: np.random.Generator) -> Scan:
    """Return a scan with noise in its positions."""
    noise = random.normal(0, NOISE, scan.xyz.shape)
    return replace(scan, xyz=(scan.xyz + noise).astype(scan.xyz.dtype))


def overlaid(scan: Scan, times: int) -> Scan:
    """Return a scan laid over itself so many times, each with other noise; once: as it is."""
    if times == 1:
        return scan
    random = np.random.default_rng(0)
    xyz = np.concatenate([noisy(scan, random).xyz for _ in range(times)])
    return Scan.from_points(xyz, None if scan.color is None else np.tile(scan.color, (times, 1)))
