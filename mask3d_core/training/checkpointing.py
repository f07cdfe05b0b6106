"""Checkpoints, logs and validation of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import time
from typing import Any

from mask3d_core.training.config import TrainConfig
from mask3d_core.training.data_loader import DistributedBatchSampler, Sample
from mask3d_core.training.learner import Learner, LOSS_TERMS
from mask3d_core.training.progress import Progress
from mask3d_core.training.run_folder import BEST, LAST, RunLogger, STATE, TrainingState
from mask3d_core.training.setup import TrainingData
from mask3d_core.training.validation import picture_path, score_values, validate
from mask3d_core.weights.checkpoint import save_atomic, save_weights, Weights
import torch

RANKING_METRICS = ('AP50', 'AP', 'AP25')
"""Metrics that rank the best weights: by the first, as in the original; ties are broken by the
others, and by the newer weights."""


@dataclass(frozen=True)
class Run:
    """
    The parts of a run that do not change.

    Attributes
    ----------
    config : TrainConfig
    training_data : TrainingData
    sampler : DistributedBatchSampler
        Starting at the first step of this process.
    weights : Weights
        Metadata for the weights files; its state is the initial one.

    """

    config: TrainConfig
    training_data: TrainingData
    sampler: DistributedBatchSampler
    weights: Weights


class RunRecorder:
    """
    Log steps, save checkpoints, validate; all processes call it, only rank 0 writes.

    Parameters
    ----------
    run : Run
    learner : Learner
    state : mapping or None
        Training state of a run that is resumed.

    """

    def __init__(self, run: Run, learner: Learner, state: TrainingState | None) -> None:
        self.run, self.learner, self.fabric = run, learner, learner.fabric
        self.path = Path(run.config.output)
        first, steps = run.sampler.first_step, run.sampler.num_steps
        self.scores: dict[str, float] = {} if state is None else dict(state['scores'])
        self.best = [] if state is None else list(state['best'])
        self.cropping_reported = False
        self.writes = self.fabric.is_global_zero
        if self.writes:
            self.logger = RunLogger(self.path, first)
            self.progress = Progress(steps, run.sampler.steps_per_epoch)
            self.progress.message(
                f'training on {len(run.training_data.training)} scans, steps {first} to {steps}, '
                f'on {self.fabric.world_size} x {self.fabric.device}; output folder: {self.path}')

    def log_step(self, done: int, samples: Sequence[Sample], terms: Sequence[float], norm: float,
                 waiting: float) -> None:
        """
        Log a step.

        Parameters
        ----------
        done : int
            Steps done, including this one.
        samples : sequence of Sample
            Those of this process.
        terms : floats
            `LOSS_TERMS`, over the scans of all processes.
        norm : float
            Gradient norm.
        waiting : float
            Seconds this process waited for the data loader.

        """
        if not self.writes:
            return
        loss, *parts = terms
        self._report_cropped(samples)
        rate = self.learner.rate
        self.progress.show_step(done, loss, rate, waiting)
        if done % self.run.config.log_every == 0:
            self.logger.log(done, {
                'epoch': done / self.run.sampler.steps_per_epoch, 'loss': loss,
                **dict(zip(LOSS_TERMS[1:], parts)), 'gradient_norm': norm,
                'learning_rate': rate, 'voxels': sum(len(sample.voxels) for sample in samples),
                'seconds': self.progress.seconds, 'waiting': waiting,
                'gigabytes': _peak_memory(self.fabric.device)})

    def end_epoch(self, done: int) -> None:
        """Save a checkpoint; validate if it is due."""
        start = time.monotonic()
        epoch, config = done // self.run.sampler.steps_per_epoch, self.run.config
        self.save(done)  # before validation: if that fails, no steps are lost
        if self.run.training_data.validation and (
                epoch % config.validate_every == 0 or done == self.run.sampler.num_steps):
            self._validate(done, epoch)
            self.save(done)
        if self.writes:
            self.progress.exclude(time.monotonic() - start)

    def save(self, done: int) -> None:
        """Save the training state, from which a run resumes, and the last weights."""
        if self.writes:
            save_weights(self.path / LAST, self.weights(done))
            save_atomic(self.path / STATE, {
                'step': done, 'learner': self.learner.state(), 'scores': self.scores,
                'best': self.best, 'trained': dict(self.run.weights.trained),
                'material': self.run.training_data.fingerprint})
        self.fabric.barrier()

    def weights(self, done: int) -> Weights:
        """Return the current weights with their metadata."""
        facts: Mapping[str, Any] = {**self.run.weights.trained, 'steps': done,
                                    'scores': dict(self.scores)}
        return replace(self.run.weights, state=self.learner.model.state_dict(), trained=facts)

    def close(self) -> None:
        """Close the log files and print where the weights are."""
        if self.writes:
            self.logger.close()
            best = (f', the best by {RANKING_METRICS[0]} ({100 * self.best[0]:.1f}) in '
                    f'{self.path / BEST}' if self.best else '')
            self.progress.message(f'done; the weights are in {self.path / LAST}{best}')

    def _validate(self, done: int, epoch: int) -> None:
        config, training_data = self.run.config, self.run.training_data
        scores = validate(self.weights(done), config, training_data, self.fabric, epoch)
        self.scores = score_values(scores)
        ranking = [self.scores[name] for name in RANKING_METRICS]
        better = ranking >= self.best  # lists: the first metric that differs decides
        self.best = max(self.best, ranking)
        if not self.writes:
            return
        if better:
            save_weights(self.path / BEST, self.weights(done))
        self.logger.log_scores(done, {'epoch': epoch, **self.scores})
        for name in training_data.validation[:config.pictures]:
            self.logger.show(done, name, picture_path(config, name, epoch))
        self.progress.message(f'epoch {epoch}: ' + ', '.join(
            f'{name} {100 * value:.1f}' for name, value in self.scores.items()))

    def _report_cropped(self, samples: Sequence[Sample]) -> None:
        """Print a message for the first scan that was cropped."""
        for sample in samples:
            if sample.uncropped_size > len(sample.voxels) and not self.cropping_reported:
                self.cropping_reported = True
                self.progress.report(
                    f'warning: scan {sample.name} has {sample.uncropped_size} voxels, '
                    f'batch_voxels is {self.run.config.batch_voxels}: scans like it are cropped')


def _peak_memory(device: torch.device) -> float:
    """Return the peak memory so far, of the GPU or of the process, in GB."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 1e9
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
