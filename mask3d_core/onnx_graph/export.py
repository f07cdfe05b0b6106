"""Weights as an ONNX file, with their facts in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from mask3d_core.files.target import atomic_write
from mask3d_core.model import Mask3D
from mask3d_core.model.config import ModelConfig
from mask3d_core.model.layers import fold_batch_norms
from mask3d_core.onnx_graph.decoder import DecoderGraph
from mask3d_core.onnx_graph.graph import Graph
from mask3d_core.onnx_graph.unet import NUM_LEVELS, UNetGraph
from mask3d_core.weights.checkpoint import Weights
from mask3d_core.weights.onnx_file import FACTS
import numpy as np
import onnx

VOTES: Final = ('vote_centers', 'vote_logits')


def export(weights: Weights, dtype: type[np.floating] = np.float32) -> onnx.ModelProto:
    """
    Return the network of some weights as an ONNX model.

    One graph has the whole network. Its outputs are the prediction and what lies between U-Net
    and decoder (`unet_outputs`): queries start at voxels that are chosen from the votes, outside
    the graph, and are its input `seeds`. Inputs are described in docs/engines.md.

    Parameters
    ----------
    weights : Weights
    dtype : numpy type
        float32 or float16, of the U-Net; the decoder computes in float32.

    """
    model = Mask3D(weights.model)
    model.load_state_dict(weights.state)
    fold_batch_norms(model.eval())
    graph, config = Graph(), weights.model
    unet = UNetGraph(graph, model.unet, dtype)
    features = graph.input('features', np.float32, ['V0', config.in_channels])
    levels = unet.add(features)
    for number, width in enumerate(model.unet.widths):
        name, rows = f'level_{number}', f'V{NUM_LEVELS - 1 - number}'
        if name in unet_outputs(config):
            levels[number] = graph.output(name, levels[number], np.float32, [rows, width])
    decoder = DecoderGraph(graph, model, unet.rows)
    centers = None
    if config.votes:
        votes = decoder.votes(levels[-1])
        centers = graph.output(VOTES[0], votes[0], np.float32, ['V0', 3])
        graph.output(VOTES[1], votes[1], np.float32, ['V0', config.num_classes + 1])
    queries: int | str = config.num_queries if config.queries == 'learned' else 'Q'
    rows = 'S' if config.on_segments else 'V0'
    shapes = [queries, config.num_classes + 1], [rows, queries], [queries]
    for name, value, shape in zip(decoder_outputs(config), decoder.predict(levels, centers),
                                  shapes):
        graph.output(name, value, np.float32, shape)
    return graph.model('mask3d', {FACTS: json.dumps(weights.facts())})


def decoder_outputs(config: ModelConfig) -> list[str]:
    """Return the outputs of the decoder, which are attributes of `Prediction`."""
    return ['class_logits', 'mask_logits'] + ['mask_iou'] * config.mask_iou


def unet_outputs(config: ModelConfig) -> list[str]:
    """Return the outputs that lie between U-Net and decoder: inputs of the decoder."""
    finest = NUM_LEVELS - 1
    return [f'level_{number}' for number in sorted({*config.levels, finest})] + (
        list(VOTES) if config.votes else [])


def save_onnx(path: Path, model: onnx.ModelProto) -> None:
    """Write an ONNX file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())
