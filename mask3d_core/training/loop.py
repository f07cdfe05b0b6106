"""The training loop."""

from __future__ import annotations

from dataclasses import replace
import math
import time
from typing import cast, TYPE_CHECKING

from mask3d_core.device import guard_memory
from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D
from mask3d_core.training.checkpointing import Records, Run
from mask3d_core.training.config import TrainConfig
from mask3d_core.training.data_loader import Batch, load_samples
from mask3d_core.training.learner import Learner, make_fabric
from mask3d_core.training.micro_batches import gather, Share, share_out
from mask3d_core.training.run_folder import LAST, open_run, State
from mask3d_core.training.setup import first_weights, Material, resumed_weights
from mask3d_core.training.stop import stop_request, StopRequest
from mask3d_core.training.sync_batch_norm import count_rows
import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Stopped(InputError):
    """The run was asked to stop; its state is saved."""


def train(config: TrainConfig, resume: bool = False, command: str = '') -> None:
    """
    Train a model, from the first step or from where a run was stopped.

    What a step sees depends on the seed and the step alone: neither on the number of workers nor
    on where the run was stopped.

    Parameters
    ----------
    config : TrainConfig
    resume : bool
        Go on with the run in the folder of the configuration, if there is one.
    command : str
        Goes into the weights file.

    Raises
    ------
    InputError
        For anything the user can change; `Stopped` when a signal ended the run.

    """
    material = Material.open(config)
    fabric = make_fabric(config)
    fabric.launch()
    state = _open_together(fabric, config, resume)
    weights = (first_weights(config, material, command) if state is None
               else resumed_weights(config, material, state['trained']))
    model = Mask3D(weights.model)
    model.load_state_dict(weights.state)
    order = material.order(config, fabric.global_rank, fabric.world_size)
    if state is not None and state['material'] != material.fingerprint:
        raise InputError(f'the scans to learn from in {config.data}, their classes or their mean '
                         'colours are not those this run began with: start a new run with '
                         f'--start_weights {config.output}/{LAST}')
    learner = Learner(fabric, model, config, order.num_steps, material.class_bias(config))
    if state is not None:
        learner.load_state(state['learner'])
        order = replace(order, begin=state['step'])
    run = Run(config, material, order, weights)
    with stop_request() as stop:
        _run(run, learner, Records(run, learner, state), stop)


def _run(run: Run, learner: Learner, records: Records, stop: StopRequest) -> None:
    """Do the steps of a run."""
    config, fabric, order = run.config, learner.fabric, run.order
    loader = load_samples(run.material.samples(config), order, config.workers,
                          pin=fabric.device.type == 'cuda')
    ended = time.perf_counter()
    for step, loaded in enumerate(loader, order.begin):
        waiting = time.perf_counter() - ended
        share = share_out(fabric, loaded, order.num_own(step), config.batch_voxels,
                          config.model.num_queries, bool(stop.name))
        if share.stop:
            records.save(step)
            raise Stopped(f'stopped by {stop.name or "another process"} after step {step} of '
                          f'{order.num_steps}: go on with the same command and --resume')
        terms = add_gradients(learner, share, config.seed, step)
        samples = [sample for batch in share.batches[:share.counted] for sample in batch]
        norm = learner.update([sample.name for sample in samples])
        done = step + 1
        records.add(done, samples, terms, norm, waiting)
        if done % order.steps_per_epoch == 0:
            records.end_epoch(done)
        elif config.save_every and done % config.save_every == 0:
            records.save(done)
        ended = time.perf_counter()
    records.close()


def add_gradients(learner: Learner, share: Share, seed: int, step: int) -> list[float]:
    """
    Go forward and back with the scans of a step.

    Returns
    -------
    5 floats
        Over the scans of all processes: the total loss, the class, mask and dice loss of the
        final prediction, and the loss of the votes.

    Raises
    ------
    InputError
        In all processes, when the loss of one of them is not finite.

    """
    fabric = learner.fabric
    terms = torch.zeros(len(share.batches), 5, device=fabric.device)
    for number, (samples, class_share) in enumerate(zip(share.batches, share.class_shares)):
        batch = Batch(samples, fabric.device, learner.model.config.kernels)
        counts = number < share.counted
        more = number + 1 < len(share.batches)  # gradients are added up until the last
        with guard_memory('for a step: lower --batch_voxels, or set '
                           '--checkpoint_activations true'), \
                count_rows(learner.model, counts), \
                fabric.no_backward_sync(learner.forward, enabled=more):
            total, terms[number] = learner.forward(
                batch, class_share, _draws(seed, step, fabric.global_rank, number))
            fabric.backward(total * fabric.world_size * counts)  # DDP takes the mean
    own = terms[:share.counted]
    values = cast(Tensor, fabric.all_reduce(own.sum(0), reduce_op='sum')).tolist()
    if not math.isfinite(values[0]):
        finite = own[:, 0].isfinite().tolist()
        names = gather(fabric, [sample.name for good, samples in zip(finite, share.batches)
                                for sample in samples if not good])
        raise InputError(f'the loss is {values[0]} at step {step}, with the scans '
                         f'{", ".join(names)}: look at them, or lower --learning_rate, or set '
                         '--gradient_clip 1')
    return values


def _draws(*place: int) -> torch.Generator:
    """Return the random numbers of a place in the run: seed, step, process, batch."""
    seed = int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator().manual_seed(seed)


def _open_together(fabric: Fabric, config: TrainConfig, resume: bool) -> State | None:
    """Open the folder of the run in one process, for all."""
    answer: tuple[State | None, str] = None, ''
    if fabric.is_global_zero:
        try:
            answer = open_run(config, resume), ''
        except InputError as error:
            answer = None, str(error)
    state, fault = fabric.broadcast(answer)
    if fault:
        raise InputError(fault)
    return state
