"""Model with loss, optimizer and learning rate schedule, on one or several devices."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any, cast, TYPE_CHECKING, TypeVar

from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D, StepPrediction
from mask3d_core.model.votes import Votes
from mask3d_core.training.config import TrainConfig
from mask3d_core.training.data_loader import Batch
from mask3d_core.training.distributed import gather_texts
from mask3d_core.training.iou_loss import iou_loss
from mask3d_core.training.logit_adjustment import adjust_logits
from mask3d_core.training.losses import compute_loss, PAPER_WEIGHTS, sample_voxels
from mask3d_core.training.matcher import LossWeights
from mask3d_core.training.run_folder import TrainingState
from mask3d_core.training.sync_batch_norm import convert_sync_batch_norm
from mask3d_core.training.vote_losses import vote_loss
import torch
from torch import nn, Tensor
from torch.optim.lr_scheduler import OneCycleLR

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LOSS_TERMS = ('total', 'class', 'mask', 'dice', 'votes', 'mask_iou')
"""Total loss; class, mask and dice loss of the final prediction; vote loss; IoU loss."""
T = TypeVar('T', StepPrediction, Votes)


class ModelWithLoss(nn.Module):
    """
    Model and criterion in one module, so that Fabric wraps both: batch in, loss out.

    Attributes
    ----------
    model : Mask3D
    loss_voxels : int
    weights : LossWeights
        `loss_voxels` and `loss` of `TrainConfig`.
    bias : [K] or None
        Logit adjustment: added to the class logits before matching and loss. None: no adjustment.

    """

    bias: Tensor | None

    def __init__(self, model: Mask3D, loss_voxels: int = 0, weights: LossWeights = PAPER_WEIGHTS,
                 bias: Tensor | None = None) -> None:
        super().__init__()
        self.model, self.loss_voxels, self.weights = model, loss_voxels, weights
        self.register_buffer('bias', bias, persistent=False)

    def forward(self, batch: Batch, class_loss_share: float, generator: torch.Generator,
                ) -> tuple[Tensor, Tensor]:
        """
        Predict the instances of a batch and compute the loss.

        Parameters
        ----------
        batch : Batch
        class_loss_share : float
            Weight of this batch's class loss in that of the whole step.
        generator : torch.Generator
            Samples the voxels for the attention of the queries and for the mask losses.

        Returns
        -------
        total : []
        terms : [6]
            `LOSS_TERMS`, without gradients.

        """
        steps = self.model(batch.voxels, batch.pyramid, every_step=True, generator=generator)
        votes = [prediction.votes for prediction in steps[0]]
        if self.bias is not None:
            steps = [[_adjusted(prediction, self.bias) for prediction in step] for step in steps]
            votes = [None if scan is None else _adjusted(scan, self.bias) for scan in votes]
        targets = batch.targets
        if self.loss_voxels:
            steps, targets = sample_voxels(steps, targets, self.loss_voxels, generator)
        loss = compute_loss(steps, targets, self.weights, class_loss_share)
        vote = vote_loss(votes, batch.targets)
        iou = iou_loss(steps[-1], targets)
        total = loss.total + self.weights.votes * vote + self.weights.mask_iou * iou
        if not any(len(targets) for targets in batch.targets):
            # no mask loss, but DDP waits for a gradient of every weight
            total = total + 0 * sum(step.mask_logits[:1].sum() for scans in steps
                                    for step in scans)
        terms = loss.terms
        return total, torch.stack([total.detach(), terms['class'], terms['mask'], terms['dice'],
                                   vote.detach(), iou.detach()])


def _adjusted(prediction: T, bias: Tensor) -> T:
    return prediction._replace(class_logits=adjust_logits(prediction.class_logits, bias))


class Learner:
    """
    Model, loss, optimizer and learning rate schedule.

    Attributes
    ----------
    model : Mask3D
    forward : ModelWithLoss
        As wrapped by Fabric: call this one.
    optimizer, schedule
        AdamW and the one-cycle schedule (Smith and Topin, 2019; paper, Sec. IV).
    rate : float
        Learning rate of the last step.

    """

    def __init__(self, fabric: Fabric, model: Mask3D, config: TrainConfig, num_steps: int,
                 bias: Tensor | None = None) -> None:
        self.fabric, self.model = fabric, model
        model.train()
        model.unet.recompute = config.checkpoint_activations
        if fabric.world_size > 1 and config.sync_batch_norm:
            convert_sync_batch_norm(model)
        optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate,
                                      weight_decay=config.weight_decay)
        self.schedule = OneCycleLR(optimizer, config.learning_rate, num_steps)
        self.forward, self.optimizer = fabric.setup(
            ModelWithLoss(model, config.loss_voxels, config.loss, bias), optimizer)
        self.rate = 0.0
        self.scales_gradients = config.precision == 'float16'
        self.max_norm = config.gradient_clip or math.inf

    def update(self, names: Sequence[str]) -> float:
        """
        Take an optimizer step with the accumulated gradients; return the gradient norm.

        `names` are the names of this process's scans, for the error message.

        Raises
        ------
        InputError
            If a gradient is not finite. With float16 that is expected occasionally, and Fabric's
            gradient scaler skips the step.

        """
        clipped = self.fabric.clip_gradients(self.forward, self.optimizer,
                                             max_norm=self.max_norm, error_if_nonfinite=False)
        norm = float(cast(Tensor, clipped))
        if not self.scales_gradients and not math.isfinite(norm):
            scans = gather_texts(self.fabric, list(names))
            raise InputError(f'the gradient norm is {norm} with the scans {", ".join(scans)}: '
                             'check them, or lower --learning_rate, or set --gradient_clip 1')
        self.rate = float(self.schedule.get_last_lr()[0])
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return norm

    def state(self) -> TrainingState:
        """Return everything that changes from step to step."""
        precision: Any = self.fabric.strategy.precision
        return {'model': self.model.state_dict(), 'optimizer': self.optimizer.state_dict(),
                'schedule': self.schedule.state_dict(), 'precision': precision.state_dict()}

    def load_state(self, state: TrainingState) -> None:
        """Restore what `state` returned."""
        precision: Any = self.fabric.strategy.precision
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.schedule.load_state_dict(state['schedule'])
        precision.load_state_dict(state['precision'])
