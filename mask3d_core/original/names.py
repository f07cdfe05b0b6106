"""Map the tensor names of the original to ours, and infer the model from tensor shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
import re
from typing import Final

from mask3d_core.errors import InputError
from mask3d_core.model.config import Backbone, BACKBONES, ModelConfig
import torch

DROPPED_TENSORS: Final = {
    'backbone.final.kernel': 'a semantic head that the forward pass never uses',
    'backbone.final.bias': 'a semantic head that the forward pass never uses',
}
_UNSUPPORTED: Final = {
    'level_embed.': 'level embeddings (use_level_embed: true)',
}
_NORM: Final = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
_LINEAR: Final = ('weight', 'bias')
DOWN_CONVS: Final = ('conv1p1s2', 'conv2p2s2', 'conv3p4s2', 'conv4p8s2')
UP_CONVS: Final = ('convtr4p16s2', 'convtr5p8s2', 'convtr6p4s2', 'convtr7p2s2')

Reshape = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Rename:
    """How a tensor is converted: its name in the original, our name, and the change of layout."""

    original: str
    ours: str
    reshape: Reshape


def _as_is(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _outputs_first(tensor: torch.Tensor) -> torch.Tensor:
    """Convert a convolution kernel [K, Cin, Cout] to [Cout, K, Cin]."""
    return tensor.movedim(-1, 0).contiguous()


def _pointwise_kernel(tensor: torch.Tensor) -> torch.Tensor:
    """Convert the kernel of a 1x1x1 convolution, [Cin, Cout], to [Cout, 1, Cin]."""
    return tensor.transpose(0, -1).unsqueeze(1).contiguous()


def _linear_weight(tensor: torch.Tensor) -> torch.Tensor:
    """Convert the kernel of a 1x1x1 convolution, [Cin, Cout], to a Linear weight [Cout, Cin]."""
    return tensor.transpose(0, -1).contiguous()


def _linear_bias(tensor: torch.Tensor) -> torch.Tensor:
    """Convert the bias of a convolution, [1, C], to [C]."""
    return tensor.squeeze(0)


def _conv1d_weight(tensor: torch.Tensor) -> torch.Tensor:
    """Convert the weight of a Conv1d of kernel size 1, [out, in, 1], to a Linear weight."""
    return tensor.squeeze(-1)


def _in_projection(index: int) -> Reshape:
    """Select the query (0), key (1) or value (2) part of a stacked `in_proj`, [3 D, ...]."""
    def select(tensor: torch.Tensor) -> torch.Tensor:
        dim = len(tensor) // 3
        return tensor[index * dim:(index + 1) * dim].clone()
    return select


def renames(config: ModelConfig) -> list[Rename]:
    """Return the renames of all tensors of a model, in the order of the original's state dict."""
    return [*_backbone(config), *_heads(config), *_decoder(config)]


def _leaves(original: str, ours: str, leaves: tuple[str, ...] = _LINEAR) -> Iterator[Rename]:
    for leaf in leaves:
        yield Rename(f'{original}.{leaf}', f'{ours}.{leaf}', _as_is)


def _backbone(config: ModelConfig) -> Iterator[Rename]:
    channels, counts, _ = BACKBONES[config.backbone]
    yield from _convolution('conv0p1s1', 'bn0', 'unet.stem')
    inputs = block_inputs(channels)
    for stage, kernel in enumerate(DOWN_CONVS + UP_CONVS):
        side, depth = ('down', stage) if stage < 4 else ('up', stage - 4)
        norm = f'bn{stage + 1}' if stage < 4 else f'bntr{stage}'
        yield from _convolution(kernel, norm, f'unet.{side}.{depth}')
        for i in range(counts[stage]):
            shortcut = i == 0 and inputs[stage] != channels[stage]
            yield from _residual(f'backbone.block{stage + 1}.{i}',
                                 f'unet.{side}_blocks.{depth}.{i}', shortcut)


def _convolution(kernel: str, norm: str, ours: str) -> Iterator[Rename]:
    yield Rename(f'backbone.{kernel}.kernel', f'{ours}.weight', _outputs_first)
    yield from _leaves(f'backbone.{norm}.bn', f'{ours}.norm', _NORM)


def block_inputs(channels: tuple[int, ...]) -> list[int]:
    """Return the input channels of the 8 stages of residual blocks (res16unet.py)."""
    down = [32, *channels[:3]]
    skips = [channels[2], channels[1], channels[0], 32]
    return down + [channels[4 + i] + skip for i, skip in enumerate(skips)]


def _residual(original: str, ours: str, shortcut: bool) -> Iterator[Rename]:
    for i in (1, 2):
        yield Rename(f'{original}.conv{i}.kernel', f'{ours}.conv{i}.weight', _outputs_first)
        yield from _leaves(f'{original}.norm{i}.bn', f'{ours}.conv{i}.norm', _NORM)
    if shortcut:
        yield Rename(f'{original}.downsample.0.kernel', f'{ours}.shortcut.weight',
                     _pointwise_kernel)
        yield from _leaves(f'{original}.downsample.1.bn', f'{ours}.shortcut.norm', _NORM)


def _heads(config: ModelConfig) -> Iterator[Rename]:
    yield Rename('mask_features_head.kernel', 'mask_projection.weight', _linear_weight)
    yield Rename('mask_features_head.bias', 'mask_projection.bias', _linear_bias)
    if config.queries == 'learned':
        yield Rename('query_feat.weight', 'queries.content', _as_is)
        yield Rename('query_pos.weight', 'queries.position', _as_is)
    else:
        for i in (0, 2):
            original, ours = f'query_projection.layers.{i}', f'queries.projection.{i}'
            yield Rename(f'{original}.weight', f'{ours}.weight', _conv1d_weight)
            yield Rename(f'{original}.bias', f'{ours}.bias', _as_is)
    if config.queries == 'fps_feature':
        for i in (0, 2):
            yield from _leaves(f'np_feature_projection.{i}', f'queries.feature_projection.{i}')
    for i in (0, 2):
        yield from _leaves(f'mask_embed_head.{i}', f'head.embedding.{i}')
    yield from _leaves('class_embed_head', 'head.classes')
    yield Rename('pos_enc.gauss_B', 'positions.gauss', _as_is)


def _decoder(config: ModelConfig) -> Iterator[Rename]:
    for d in range(1 if config.shared_rounds else config.num_rounds):
        for i in range(len(config.levels)):
            at, ours = f'{d}.{i}', f'rounds.{d}.{i}'
            yield from _attention(f'cross_attention.{at}', 'multihead_attn', f'{ours}.cross')
            yield from _attention(f'self_attention.{at}', 'self_attn', f'{ours}.own')
            yield from _leaves(f'ffn_attention.{at}.linear1', f'{ours}.feed_forward.layers.0')
            yield from _leaves(f'ffn_attention.{at}.linear2', f'{ours}.feed_forward.layers.2')
            yield from _leaves(f'ffn_attention.{at}.norm', f'{ours}.feed_forward.norm')
            yield from _leaves(f'lin_squeeze.{at}', f'{ours}.squeeze')
    yield from _leaves('decoder_norm', 'head.norm')


def _attention(original: str, module: str, ours: str) -> Iterator[Rename]:
    for leaf in _LINEAR:
        for index, part in enumerate(('query', 'key', 'value')):
            yield Rename(f'{original}.{module}.in_proj_{leaf}',
                         f'{ours}.attention.{part}.{leaf}', _in_projection(index))
    yield from _leaves(f'{original}.{module}.out_proj', f'{ours}.attention.out')
    yield from _leaves(f'{original}.norm', f'{ours}.norm')


def infer_config(shapes: Mapping[str, tuple[int, ...]], **known: object) -> ModelConfig:
    """
    Infer the configuration of a model from the shapes of its tensors.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        By the names of the original, without the prefix `model.`.
    known : values
        Settings of `ModelConfig` that do not follow from shapes: num_heads, num_rounds,
        on_segments, num_queries, levels. Inferred values take precedence.

    Raises
    ------
    InputError
        For an unsupported model, or if a required tensor is missing.

    """
    for prefix, feature in _UNSUPPORTED.items():
        if any(name.startswith(prefix) for name in shapes):
            raise InputError(f'the checkpoint has {feature}, which this program does not support')
    if 'pos_enc.gauss_B' not in shapes:
        raise InputError('the checkpoint has no pos_enc.gauss_B: only the fourier position '
                         'encoding is supported, or the file is incomplete')
    rounds = _count(shapes, r'cross_attention\.(\d+)\.0\.norm\.weight')
    levels = _count(shapes, r'lin_squeeze\.0\.(\d+)\.weight')
    found: dict[str, object] = {
        'backbone': _backbone_name(shapes),
        'in_channels': _shape(shapes, 'backbone.conv0p1s1.kernel', 3)[1],
        'num_classes': _shape(shapes, 'class_embed_head.weight', 2)[0] - 1,
        'hidden_dim': _shape(shapes, 'class_embed_head.weight', 2)[1],
        'feedforward_dim': _shape(shapes, 'ffn_attention.0.0.linear1.weight', 2)[0],
        'shared_rounds': rounds == 1, 'queries': 'fps_zero',
        'levels': known.get('levels') or tuple(range(levels))}
    if 'query_feat.weight' in shapes:
        found |= {'queries': 'learned', 'num_queries': shapes['query_feat.weight'][0]}
    elif any(name.startswith('np_feature_projection.') for name in shapes):
        found['queries'] = 'fps_feature'
    if rounds > 1:
        found['num_rounds'] = rounds
    return ModelConfig(**{**known, **found})  # type: ignore[arg-type]


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str, dims: int) -> tuple[int, ...]:
    if len(shapes.get(name, ())) != dims:
        raise InputError(f'the checkpoint lacks {name} with {dims} dimensions (found: '
                         f'{list(shapes[name]) if name in shapes else "nothing"}): is it a '
                         'checkpoint of the original Mask3D?')
    return shapes[name]


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    """Count the different values of the pattern's group among the tensor names."""
    return len({match[1] for match in map(re.compile(pattern).fullmatch, shapes) if match})


def _backbone_name(shapes: Mapping[str, tuple[int, ...]]) -> str:
    counts = tuple(_count(shapes, rf'backbone\.block{n}\.(\d+)\.conv2\.kernel')
                   for n in range(1, 9))
    channels = tuple(_shape(shapes, f'backbone.block{n}.0.conv2.kernel', 3)[2]
                     for n in range(1, 9))
    known = {shape: name for name, shape in BACKBONES.items() if not shape.crosses}
    if (found := Backbone(channels, counts)) in known:
        return known[found]
    raise InputError(f'the checkpoint has a backbone with channels {channels} and blocks '
                     f'{counts}; supported are ' + ', '.join(known.values()))
