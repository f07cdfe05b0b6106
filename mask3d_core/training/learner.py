"""What learns: the model, its optimizer and its schedule, on one or many devices."""

from __future__ import annotations

from collections.abc import Sequence
import math
import os
from typing import Any, cast, TYPE_CHECKING, TypeVar

from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D, StepPrediction
from mask3d_core.model.votes import Votes
from mask3d_core.training.config import PRECISIONS, TrainConfig
from mask3d_core.training.data_loader import Batch
from mask3d_core.training.logit_adjustment import as_frequent
from mask3d_core.training.losses import compute_loss, PAPER, sample_voxels
from mask3d_core.training.matcher import LossWeights
from mask3d_core.training.micro_batches import gather
from mask3d_core.training.run_folder import State
from mask3d_core.training.sync_batch_norm import share_batch_norms
from mask3d_core.training.vote_losses import vote_loss
import torch
from torch import nn, Tensor
from torch.optim.lr_scheduler import OneCycleLR

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar('T', StepPrediction, Votes)


def make_fabric(config: TrainConfig) -> Fabric:
    """
    Return Fabric for the devices of a configuration; torchrun and SLURM say themselves how many.

    Raises
    ------
    InputError
        When Fabric is not installed, or the devices are not there, or not as SLURM has them.

    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise InputError('training needs Lightning Fabric: '
                         'pip install lightning-fabric tensorboard') from error
    device = config.device
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    devices, machines = _launched(config.devices) or (config.devices, config.machines)
    present = torch.cuda.device_count() if device == 'cuda' else os.cpu_count() or 1
    if device == 'cuda' and (present == 0 or devices > present):
        raise InputError(f'{max(devices, 1)} GPUs are wanted, torch sees {present} (mask3d doctor '
                         'says why): set --devices, or --device cpu')
    if device == 'cpu' and config.precision == 'float16':
        raise InputError('float16 needs a GPU: use --precision bfloat16 or float32')
    devices = devices or (present if device == 'cuda' else 1)
    try:
        return Fabric(accelerator=device, devices=devices, num_nodes=machines,
                      precision=PRECISIONS[config.precision],  # type: ignore[arg-type]
                      strategy='ddp' if devices * machines > 1 else 'auto')
    except (RuntimeError, ValueError) as error:  # it looks at what SLURM was told
        raise InputError(f'Lightning Fabric refuses these devices: {error}') from error


def _launched(wanted: int) -> tuple[int, int] | None:
    """Return the processes of each machine and the machines when torchrun or SLURM started us."""
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    for environment, total, machines, hint in (
            (TorchElasticEnvironment, 'WORLD_SIZE', 'GROUP_WORLD_SIZE',
             'torchrun --nproc_per_node'),
            (SLURMEnvironment, 'SLURM_NTASKS', 'SLURM_NNODES', 'srun --ntasks-per-node')):
        if environment.detect():
            count = int(os.environ.get(machines, 1))
            processes = int(os.environ[total]) // count
            if wanted not in (0, 1, processes):
                raise InputError(f'{hint} started {processes} on each machine, but devices is '
                                 f'{wanted}: give {hint} {wanted}, or leave --devices out')
            return processes, count
    return None


class Forward(nn.Module):
    """
    From a batch to its loss; all of it runs inside Fabric's precision.

    Attributes
    ----------
    model : Mask3D
    loss_voxels : int
    weights : LossWeights
        As `loss_voxels` and `loss` of `TrainConfig`.
    bias : [K] or None
        Added to the class logits before they are matched and compared; None: nothing is.

    """

    bias: Tensor | None

    def __init__(self, model: Mask3D, loss_voxels: int = 0, weights: LossWeights = PAPER,
                 bias: Tensor | None = None) -> None:
        super().__init__()
        self.model, self.loss_voxels, self.weights = model, loss_voxels, weights
        self.register_buffer('bias', bias, persistent=False)

    def forward(self, batch: Batch, class_share: float, generator: torch.Generator,
                ) -> tuple[Tensor, Tensor]:
        """
        Predict and compare.

        Parameters
        ----------
        batch : Batch
        class_share : float
            Weight of this batch's class loss in that of the whole step.
        generator : torch.Generator
            Draws the voxels the queries look at.

        Returns
        -------
        total : []
        terms : [5]
            The total, class, mask and dice loss of the final prediction, and the loss of the
            votes, without gradients.

        """
        steps = self.model(batch.voxels, batch.pyramid, every_step=True, generator=generator)
        votes = [prediction.votes for prediction in steps[0]]
        if self.bias is not None:
            steps = [[_biased(prediction, self.bias) for prediction in step] for step in steps]
            votes = [None if said is None else _biased(said, self.bias) for said in votes]
        targets = batch.targets
        if self.loss_voxels:
            steps, targets = sample_voxels(steps, targets, self.loss_voxels, generator)
        loss = compute_loss(steps, targets, self.weights, class_share)
        vote = vote_loss(votes, batch.targets)
        total = loss.total + self.weights.votes * vote
        if not any(len(targets) for targets in batch.targets):
            # nothing compares masks, but all processes wait for a gradient of every weight
            total = total + 0 * sum(step.mask_logits[:1].sum() for scans in steps
                                    for step in scans)
        terms = loss.terms
        return total, torch.stack([total.detach(), terms['class'], terms['mask'], terms['dice'],
                                   vote.detach()])


def _biased(said: T, bias: Tensor) -> T:
    return said._replace(class_logits=as_frequent(said.class_logits, bias))


class Learner:
    """
    Model, optimizer and schedule as one.

    Attributes
    ----------
    model : Mask3D
    forward : Forward
        As Fabric wants it called.
    optimizer, schedule
        AdamW and one cycle (Smith and Topin, 2019; paper, Sec. IV).
    rate : float
        Learning rate of the last step.

    """

    def __init__(self, fabric: Fabric, model: Mask3D, config: TrainConfig, num_steps: int,
                 bias: Tensor | None = None) -> None:
        self.fabric, self.model = fabric, model
        model.train()
        model.unet.recompute = config.checkpoint_activations
        if fabric.world_size > 1 and config.sync_batch_norm:
            share_batch_norms(model)
        optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate,
                                      weight_decay=config.weight_decay)
        self.schedule = OneCycleLR(optimizer, config.learning_rate, num_steps)
        self.forward, self.optimizer = fabric.setup(
            Forward(model, config.loss_voxels, config.loss, bias), optimizer)
        self.rate = 0.0
        self.exact = config.precision != 'float16'
        self.largest_norm = config.gradient_clip or math.inf

    def update(self, names: Sequence[str]) -> float:
        """
        Change the weights by the gradients gathered so far; return the gradients' norm.

        `names` are those of this process's scans, for the message.

        Raises
        ------
        InputError
            When a gradient is not finite. In float16 that is expected now and then, and the step
            is left out.

        """
        clipped = self.fabric.clip_gradients(self.forward, self.optimizer,
                                             max_norm=self.largest_norm, error_if_nonfinite=False)
        norm = float(cast(Tensor, clipped))
        if self.exact and not math.isfinite(norm):
            together = gather(self.fabric, list(names))
            raise InputError(f'the gradient is {norm} after the scans {", ".join(together)}: look '
                             'at them, or lower --learning_rate, or set --gradient_clip 1')
        self.rate = float(self.schedule.get_last_lr()[0])
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return norm

    def state(self) -> State:
        """Return what changes from step to step."""
        precision: Any = self.fabric.strategy.precision
        return {'model': self.model.state_dict(), 'optimizer': self.optimizer.state_dict(),
                'schedule': self.schedule.state_dict(), 'precision': precision.state_dict()}

    def load_state(self, state: State) -> None:
        """Undo `state`."""
        precision: Any = self.fabric.strategy.precision
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.schedule.load_state_dict(state['schedule'])
        precision.load_state_dict(state['precision'])
