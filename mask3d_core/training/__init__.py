"""
Training: labelled scans in, a weights file out.

The modules, in the order in which a run uses them:

- `config`: `TrainConfig`, every setting of a run; `config_file` reads it from YAML and `--key`.
- `setup`: training data and initial weights (random, fine-tuned or resumed).
- `data_loader`: data set of samples, batch sampler and data loader.
- `augmentation`: random crops, flips, rotations, colours; `elastic`: elastic distortion.
- `targets`: classes and masks of a scan's instances.
- `loop`: the training loop; `stop`: end it after the current step on SIGINT or SIGTERM.
- `distributed`: processes and devices (Lightning Fabric).
- `micro_batches`: a step's scans, split over processes and for gradient accumulation.
- `learner`: model with loss, optimizer (AdamW) and learning rate schedule (one cycle).
- `sync_batch_norm`: batch norm over the scans of all processes, on CPUs, too.
- `matcher`: bipartite matching of queries and instances (Hungarian algorithm).
- `losses`: the criterion: class, mask and dice loss of all refinement steps.
- `mask_losses`: binary cross entropy and dice without full mask tensors in memory.
- `vote_losses`: loss of models whose voxels vote; `logit_adjustment`: for rare classes.
- `checkpointing`: logs, checkpoints and best weights; `run_folder`: their files.
- `progress`: the progress line; `validation`: scores on the validation scans.
- `ablations`: compare finished runs, as Table IV of the paper.
"""
