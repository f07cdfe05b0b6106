"""The training loop."""

from __future__ import annotations

from dataclasses import replace
import math
import time
from typing import cast, TYPE_CHECKING

from mask3d_core.device import guard_memory
from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D
from mask3d_core.stop import stop_on_signals, Stopped, StopRequest
from mask3d_core.training.checkpointing import Run, RunRecorder
from mask3d_core.training.config import TrainConfig
from mask3d_core.training.data_loader import Batch, load_samples
from mask3d_core.training.distributed import gather_texts, make_fabric
from mask3d_core.training.learner import Learner, LOSS_TERMS
from mask3d_core.training.micro_batches import split_step, StepSplit
from mask3d_core.training.run_folder import LAST, open_run, TrainingState
from mask3d_core.training.setup import initial_weights, random_weights, TrainingData
from mask3d_core.training.sync_batch_norm import batch_norm_contribution
import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train(config: TrainConfig, resume: bool = False, command: str = '') -> None:
    """
    Train a model, from the first step or resumed.

    The data and the random numbers of a step depend only on the seed and the step number, not on
    the number of workers or on where the run was resumed.

    Parameters
    ----------
    config : TrainConfig
    resume : bool
        Resume the run in the output folder, if there is one.
    command : str
        Stored in the weights file.

    Raises
    ------
    InputError
        For errors the user can fix; `Stopped` if a signal stopped the run.

    """
    training_data = TrainingData.open(config)
    fabric = make_fabric(config)
    fabric.launch()
    state = _open_on_rank_0(fabric, config, resume)
    weights = (initial_weights(config, training_data, command) if state is None
               else random_weights(config, training_data, state['trained']))
    model = Mask3D(weights.model)
    model.load_state_dict(weights.state)
    sampler = training_data.sampler(config, fabric.global_rank, fabric.world_size)
    if state is not None and state['material'] != training_data.fingerprint:
        raise InputError(f'the training scans in {config.data}, their classes or their mean '
                         'colours are not those this run began with: start a new run with '
                         f'--start_weights {config.output}/{LAST}')
    learner = Learner(fabric, model, config, sampler.num_steps,
                      training_data.logit_adjustment(config))
    if state is not None:
        learner.load_state(state['learner'])
        sampler = replace(sampler, first_step=state['step'])
    run = Run(config, training_data, sampler, weights)
    with stop_on_signals() as stop:
        _run(run, learner, RunRecorder(run, learner, state), stop)


def _run(run: Run, learner: Learner, recorder: RunRecorder, stop: StopRequest) -> None:
    """Take the steps of a run: load, forward and backward, optimizer step, log, save."""
    config, fabric, sampler = run.config, learner.fabric, run.sampler
    loader = load_samples(run.training_data.samples(config), sampler, config.workers,
                          pin=fabric.device.type == 'cuda')
    ended = time.perf_counter()
    for step, loaded in enumerate(loader, sampler.first_step):
        waiting = time.perf_counter() - ended
        split = split_step(fabric, loaded, sampler.num_local(step), config.batch_voxels,
                           config.model.num_queries, bool(stop))
        if split.stop:
            recorder.save(step)
            raise Stopped(f'stopped by {stop.reason or "another process"} after step {step} of '
                          f'{sampler.num_steps}: continue with the same command and --resume')
        terms = accumulate_gradients(learner, split, config.seed, step)
        samples = [sample for batch in split.micro_batches[:split.num_counted]
                   for sample in batch]
        norm = learner.update([sample.name for sample in samples])
        done = step + 1
        recorder.log_step(done, samples, terms, norm, waiting)
        if done % sampler.steps_per_epoch == 0:
            recorder.end_epoch(done)
        elif config.save_every and done % config.save_every == 0:
            recorder.save(done)
        ended = time.perf_counter()
    recorder.close()


def accumulate_gradients(learner: Learner, split: StepSplit, seed: int, step: int) -> list[float]:
    """
    Run forward and backward passes of a step, one per micro-batch.

    Returns
    -------
    floats
        `LOSS_TERMS`, over the scans of all processes.

    Raises
    ------
    InputError
        In all processes, if the loss of one of them is not finite.

    """
    fabric = learner.fabric
    terms = torch.zeros(len(split.micro_batches), len(LOSS_TERMS),
                        device=fabric.device)
    for number, (samples, class_loss_share) in enumerate(zip(split.micro_batches,
                                                             split.class_loss_shares)):
        batch = Batch(samples, fabric.device, learner.model.config.kernels)
        counts = number < split.num_counted
        more = number + 1 < len(split.micro_batches)  # DDP reduces gradients after the last one
        with guard_memory('for a step: lower --batch_voxels, or set '
                           '--checkpoint_activations true'), \
                batch_norm_contribution(learner.model, counts), \
                fabric.no_backward_sync(learner.forward, enabled=more):
            total, terms[number] = learner.forward(
                batch, class_loss_share, _generator(seed, step, fabric.global_rank, number))
            fabric.backward(total * fabric.world_size * counts)  # DDP averages
    local = terms[:split.num_counted]
    values = cast(Tensor, fabric.all_reduce(local.sum(0), reduce_op='sum')).tolist()
    if not math.isfinite(values[0]):
        finite = local[:, 0].isfinite().tolist()
        names = gather_texts(fabric, [sample.name
                                      for good, samples in zip(finite, split.micro_batches)
                                      for sample in samples if not good])
        raise InputError(f'the loss is {values[0]} at step {step}, with the scans '
                         f'{", ".join(names)}: check them, or lower --learning_rate, or set '
                         '--gradient_clip 1')
    return values


def _generator(*key: int) -> torch.Generator:
    """Return the random generator for a key: seed, step, rank, micro-batch."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator().manual_seed(seed)


def _open_on_rank_0(fabric: Fabric, config: TrainConfig, resume: bool) -> TrainingState | None:
    """Open the run folder on rank 0 and broadcast its state, or its error."""
    opened: tuple[TrainingState | None, str] = None, ''
    if fabric.is_global_zero:
        try:
            opened = open_run(config, resume), ''
        except InputError as error:
            opened = None, str(error)
    state, message = fabric.broadcast(opened)
    if message:
        raise InputError(message)
    return state
