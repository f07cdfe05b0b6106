"""What a run writes down: logs, states, weights, scores, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import time
from typing import Any

from mask3d_core.training.config import TrainConfig
from mask3d_core.training.data_loader import Order, Sample
from mask3d_core.training.learner import Learner
from mask3d_core.training.progress import Progress
from mask3d_core.training.run_folder import BEST, LAST, RunFolder, STATE, State
from mask3d_core.training.setup import Material
from mask3d_core.training.validation import picture_path, score_values, validate
from mask3d_core.weights.checkpoint import save_atomic, save_weights, Weights
import torch

MEASURES = ('AP50', 'AP', 'AP25')
"""The best weights are the best by the first, as the original's; the others decide where that
ties, and where all do, the newer weights are the better ones."""


@dataclass(frozen=True)
class Run:
    """
    What stays the same through a run.

    Attributes
    ----------
    config : TrainConfig
    material : Material
    order : Order
        From the first step to do.
    weights : Weights
        The facts of the files to be written; their state is that of the beginning.

    """

    config: TrainConfig
    material: Material
    order: Order
    weights: Weights


class Records:
    """
    Keeps the records of a run; every process calls it, the first one writes.

    Parameters
    ----------
    run : Run
    learner : Learner
    state : mapping or None
        Of a run that goes on.

    """

    def __init__(self, run: Run, learner: Learner, state: State | None) -> None:
        self.run, self.learner, self.fabric = run, learner, learner.fabric
        self.path = Path(run.config.output)
        begin, steps = run.order.begin, run.order.num_steps
        self.scores: dict[str, float] = {} if state is None else dict(state['scores'])
        self.best = [] if state is None else list(state['best'])
        self.cropped = False
        self.writes = self.fabric.is_global_zero
        if self.writes:
            self.folder = RunFolder(self.path, begin)
            self.progress = Progress(begin, steps, run.order.steps_per_epoch)
            self.progress.say(f'{len(run.material.training)} scans, steps {begin} to {steps}, '
                              f'{self.fabric.world_size} x {self.fabric.device}; results go to '
                              f'{self.path}')

    def add(self, done: int, samples: Sequence[Sample], terms: Sequence[float], norm: float,
            waiting: float) -> None:
        """
        Log a step.

        Parameters
        ----------
        done : int
            Steps done, this one included.
        samples : sequence of Sample
            This process's.
        terms : 5 floats
            Of all processes: the total, class, mask and dice loss at the end, and the votes'.
        norm : float
            Of the gradient.
        waiting : float
            Seconds this process waited for its samples.

        """
        if not self.writes:
            return
        loss, *parts = terms
        self._report_cropped(samples)
        rate = self.learner.rate
        self.progress.show(done, loss, rate, waiting)
        if done % self.run.config.log_every == 0:
            self.folder.log(done, {
                'epoch': done / self.run.order.steps_per_epoch, 'loss': loss,
                **dict(zip(('class', 'mask', 'dice', 'votes'), parts)), 'gradient_norm': norm,
                'learning_rate': rate, 'voxels': sum(len(sample.voxels) for sample in samples),
                'seconds': self.progress.seconds, 'waiting': waiting,
                'gigabytes': _peak_memory(self.fabric.device)})

    def end_epoch(self, done: int) -> None:
        """Save, and measure if it is time to."""
        began = time.monotonic()
        epoch, config = done // self.run.order.steps_per_epoch, self.run.config
        self.save(done)  # a scan that cannot be measured costs no steps
        if self.run.material.validation and (
                epoch % config.validate_every == 0 or done == self.run.order.num_steps):
            self._measure(done, epoch)
            self.save(done)
        if self.writes:
            self.progress.leave_out(time.monotonic() - began)

    def save(self, done: int) -> None:
        """Save the state and the last weights; a run goes on from here."""
        if self.writes:
            save_weights(self.path / LAST, self.weights(done))
            save_atomic(self.path / STATE, {
                'step': done, 'learner': self.learner.state(), 'scores': self.scores,
                'best': self.best, 'trained': dict(self.run.weights.trained),
                'material': self.run.material.fingerprint})
        self.fabric.barrier()

    def weights(self, done: int) -> Weights:
        """Return the weights as they are now."""
        facts: Mapping[str, Any] = {**self.run.weights.trained, 'steps': done,
                                    'scores': dict(self.scores)}
        return replace(self.run.weights, state=self.learner.model.state_dict(), trained=facts)

    def close(self) -> None:
        """Finish the files."""
        if self.writes:
            self.folder.close()
            self.progress.say(f'done; the weights are in {self.path / LAST}' + (
                f', the best by {MEASURES[0]} ({100 * self.best[0]:.1f}) in {self.path / BEST}'
                if self.best else ''))

    def _measure(self, done: int, epoch: int) -> None:
        config, material = self.run.config, self.run.material
        scores = validate(self.weights(done), config, material, self.fabric, epoch)
        self.scores = score_values(scores)
        reached = [self.scores[name] for name in MEASURES]
        better = reached >= self.best  # as lists: the first that differs decides
        self.best = max(self.best, reached)
        if not self.writes:
            return
        if better:
            save_weights(self.path / BEST, self.weights(done))
        self.folder.log_scores(done, {'epoch': epoch, **self.scores})
        for name in material.validation[:config.pictures]:
            self.folder.show(done, name, picture_path(config, name, epoch))
        self.progress.say(f'epoch {epoch}: ' + ', '.join(
            f'{name} {100 * value:.1f}' for name, value in self.scores.items()))

    def _report_cropped(self, samples: Sequence[Sample]) -> None:
        """Say of the first scan that is too large."""
        for sample in samples:
            if sample.whole > len(sample.voxels) and not self.cropped:
                self.cropped = True
                self.progress.say(f'scan {sample.name} has {sample.whole} voxels, batch_voxels is '
                                  f'{self.run.config.batch_voxels}: scans like it are cropped')


def _peak_memory(device: torch.device) -> float:
    """Return the most memory taken so far, of the GPU or of the process, GB."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 1e9
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
