"""A scan after the U-Net, for all that looks into the network."""

from __future__ import annotations

from collections.abc import Mapping

from mask3d_core.engines import torch_engine
from mask3d_core.model import Prediction, StepPrediction
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.sparse import select_rows
from mask3d_core.stopwatch import Stopwatch
import torch
from torch import Tensor


class EncodedScan:
    """
    A scan with its U-Net features, of which several predictions can be made.

    Parameters
    ----------
    segmenter : Segmenter
        Of the engine `torch`.
    scan : Scan
    purpose : str
        What needs that engine, for the error where another one runs the weights.

    Attributes
    ----------
    scan : Scan
        With the colour that the weights need; with superpoints, once they are computed.
    voxels : Voxels
        On the device.
    seconds : dict of str to float
        Of each stage so far.

    """

    def __init__(self, segmenter: Segmenter, scan: Scan, purpose: str) -> None:
        self._engine = torch_engine(segmenter.engine, purpose)
        watch = Stopwatch(segmenter.device)
        self.segmenter = segmenter
        self.scan, voxels = segmenter.prepare(scan, watch)
        self.voxels = voxels.to(segmenter.device)
        self._pyramid = segmenter.pyramid(self.voxels, watch)
        with watch.stage('unet'):
            self._levels = self._engine.encode(self.voxels, self._pyramid)
        self.seconds = watch.seconds

    @property
    def features(self) -> Tensor:
        """The finest features of the U-Net: [V, C]."""
        return select_rows(self._levels[-1], self._pyramid.rank)

    def with_superpoints(self) -> Scan:
        """Return the scan with superpoints; they are computed at the first call."""
        if self.scan.segment is None:
            watch = Stopwatch(self.segmenter.device)
            with watch.stage('superpoints'):
                self.scan = self.segmenter.with_superpoints(self.scan, self.voxels.size)
            self.seconds |= watch.seconds
        return self.scan

    @torch.inference_mode()
    def decode(self, num_queries: int) -> tuple[Prediction, Mapping[str, float]]:
        """Return the final prediction with this number of queries, and the decoder's seconds."""
        watch = Stopwatch(self.segmenter.device)
        with watch.stage('decoder'):
            steps = self._engine.model.decode(self._levels, [self.voxels], self._pyramid,
                                              num_queries)
        return steps[-1][0], watch.seconds

    @torch.inference_mode()
    def refine(self, num_queries: int) -> list[StepPrediction]:
        """Return the predictions before the first refinement step and after each one."""
        steps = self._engine.model.refine(self._levels, [self.voxels], self._pyramid, num_queries)
        return [step[0] for step in steps]
