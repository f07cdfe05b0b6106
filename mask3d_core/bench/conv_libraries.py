"""
Our U-Net computed by other sparse convolution libraries, to compare times on the same voxels.

spconv and spconv-triton have one interface and make tables of their own, those of strided
convolutions anew in each run. The kernels of ocnn take our tables.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final
from unittest import mock

from mask3d_core.bench.gpu import median_seconds
from mask3d_core.engines.torch_engine import TorchEngine
from mask3d_core.errors import InputError
from mask3d_core.model.backbone import ResidualBlock, UNet
from mask3d_core.model.layers import ConvNorm, CrossConv
from mask3d_core.sparse import build_pyramid, fused_conv, Level, Pyramid
from mask3d_core.sparse.fused_conv import Epilogue
from mask3d_core.sparse.gather_table import GatherTable
from mask3d_core.sparse.grid import cell_keys
from mask3d_core.voxels import batch_coords, Voxels
from mask3d_core.weights.checkpoint import Weights
import torch
from torch import nn, Tensor

SPCONV_LIKE: Final = {'spconv': 'spconv.pytorch', 'spconv-triton': 'spconv_triton.pytorch'}
"""Modules with the interface of spconv, by the name of the library."""
LIBRARIES: Final = (*SPCONV_LIKE, 'ocnn')
MAX_DIFFERENCE = 0.1
"""Of the features of a level, relative to the largest: more is no rounding of float16."""


def unet_seconds(weights: Weights, voxels: Voxels, device: torch.device,
                 precision: torch.dtype = torch.float16, repeats: int = 10,
                 ) -> tuple[float, dict[str, float | str]]:
    """
    Measure our U-Net and those of the libraries on one scan, in a precision that all have.

    Returns
    -------
    ours, theirs
        Medians in seconds, of each library in `LIBRARIES`, or why it was not measured.

    """
    voxels, unet = voxels.to(device), TorchEngine(weights, device, precision).model.unet
    others: dict[str, Callable[[Tensor, Pyramid], list[Tensor]]] = {}
    theirs: dict[str, float | str] = {}
    for name in LIBRARIES:
        try:
            others[name] = library_unet(name, unet)
        except (InputError, ImportError, OSError, RuntimeError) as error:
            theirs[name] = _one_line(error)
    with torch.inference_mode():
        pyramid = build_pyramid(batch_coords([voxels]), weights.model.kernels)
        features = voxels.features[pyramid.order].to(precision)
        wanted = unet(features, pyramid)
        ours = median_seconds(lambda: unet(features, pyramid), device, repeats)
        for name, other in others.items():
            try:
                same = all(map(_close, other(features, pyramid), wanted))
                theirs[name] = (median_seconds(partial(other, features, pyramid), device, repeats)
                                if same else 'its features are others')
            except Exception as error:  # noqa: BLE001 — of a library that does not work here
                theirs[name] = _one_line(error)
    return ours, theirs


def _one_line(error: Exception) -> str:
    name = '' if isinstance(error, InputError) else f'{type(error).__name__}: '
    return name + ' '.join(str(error).split())


def _close(one: Tensor, other: Tensor) -> bool:
    difference = (one.float() - other.float()).abs().max()
    return bool(difference <= MAX_DIFFERENCE * other.float().abs().max())


def library_unet(name: str, unet: UNet) -> Callable[[Tensor, Pyramid], list[Tensor]]:
    """
    Return a U-Net with the arguments and results of ours that computes with a library.

    Parameters
    ----------
    name : str
        Of `LIBRARIES`.
    unet : UNet
        With folded batch norms; its weights are used.

    Raises
    ------
    InputError
        If the library is not installed, or does not have the kernels of this U-Net.

    """
    if find_spec(name.replace('-', '_')) is None:
        raise InputError('not installed')
    if name == 'ocnn':
        kernels = import_module('ocnn.nn.kernels')
        return GatherTableUNet(unet, kernels.conv_fwd_implicit_gemm_splitk)
    return SpconvUNet(import_module(SPCONV_LIKE[name]), unet)


TableConv = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Features [V, C], weight [D, volume, C], bias [D], rows [R, volume] int32, -1 if absent."""


class GatherTableUNet:
    """
    Our U-Net, with another function for its convolutions than the fused kernel.

    Where the fused kernels are not used, it is not used either.

    Parameters
    ----------
    unet : UNet
    convolve : TableConv

    """

    def __init__(self, unet: UNet, convolve: TableConv) -> None:
        self._unet, self._convolve = unet, convolve
        self._rows: dict[int, tuple[GatherTable, Tensor]] = {}

    @torch.inference_mode()
    def __call__(self, features: Tensor, pyramid: Pyramid) -> list[Tensor]:
        """Compute the features of all levels, as `UNet.forward`."""
        with mock.patch.object(fused_conv, '_convolve', self._gather_product):
            return self._unet(features, pyramid)

    def _gather_product(self, features: Tensor, weight: Tensor, table: GatherTable,
                        epilogue: Epilogue) -> Tensor:
        bias, residual, relu = epilogue
        bias = weight.new_zeros(len(weight)) if bias is None else bias
        result = self._convolve(features.contiguous(), weight.contiguous(), bias,
                                self._rows_of(table))
        result = result if residual is None else result + residual
        return result.relu() if relu else result

    def _rows_of(self, table: GatherTable) -> Tensor:
        """Return the rows as the library wants them; made once for each table."""
        if id(table) not in self._rows:
            rows = table.table.where(table.table < table.num_inputs, -1).t().contiguous()
            self._rows[id(table)] = table, rows
        return self._rows[id(table)][1]


class SpconvUNet(nn.Module):
    """
    Our U-Net in the modules of spconv.

    Parameters
    ----------
    library : module
        `spconv.pytorch`, or another with its names.
    unet : UNet
        All its kernels must be cubes.

    """

    def __init__(self, library: Any, unet: UNet) -> None:
        super().__init__()
        if any(isinstance(part, CrossConv) for part in unet.modules()):
            raise InputError(f'{library.__name__} has no kernels of the shape of a cross')
        self._library = library
        self._tables: tuple[Pyramid | None, dict[str, Any]] = None, {}
        self.stem = self._make('SubMConv3d', unet.stem, 5, indice_key='stem')
        self.down, self.down_blocks, self.up, self.up_blocks = (
            nn.ModuleList() for _ in range(4))
        for depth, (down, blocks) in enumerate(zip(unet.down, unet.down_blocks)):
            self.down.append(self._make('SparseConv3d', down, 2, stride=2,
                                        indice_key=f'down {depth}'))
            self.down_blocks.append(self._stage(blocks, depth + 1))
        for depth, up, blocks in zip((3, 2, 1, 0), unet.up, unet.up_blocks):
            self.up.append(self._make('SparseInverseConv3d', up, 2, indice_key=f'down {depth}'))
            self.up_blocks.append(self._stage(blocks, depth))

    @torch.inference_mode()
    def forward(self, features: Tensor, pyramid: Pyramid) -> list[Tensor]:
        """Compute the features of all levels, as `UNet.forward`."""
        tensor = _relu(self.stem(self._input(features, pyramid)))
        skips = []
        for down, stage in zip(self.down, self.down_blocks):
            skips.append(tensor.features)
            tensor = stage(_relu(down(tensor)))
        outputs = [tensor]
        for up, stage in zip(self.up, self.up_blocks):
            tensor = up(tensor)
            tensor = stage(tensor.replace_feature(
                torch.cat([tensor.features.relu(), skips.pop()], 1)))
            outputs.append(tensor)
        self._tables = pyramid, tensor.indice_dict
        return [_in_order_of(level, output)
                for level, output in zip(reversed(pyramid.levels), outputs)]

    def _input(self, features: Tensor, pyramid: Pyramid) -> Any:
        """Return the features as a tensor of the library, with the tables that it can keep."""
        coords = pyramid.levels[0].coords
        known, tables = self._tables
        tables = {key: value for key, value in tables.items()
                  if known is pyramid and not str(key).startswith('down')}
        size = [(edge // 16 + 1) * 16 for edge in coords[:, 1:].amax(0).tolist()]
        return self._library.SparseConvTensor(features, coords.int(), size, 1, indice_dict=tables)

    def _make(self, kind: str, conv: nn.Module, size: int, **options: Any) -> nn.Module:
        """Return a module of the library with the weights of a convolution of ours."""
        assert isinstance(conv, ConvNorm) and conv.norm is None and conv.bias is not None
        channels, _, channels_in = conv.weight.shape
        made: nn.Module = getattr(self._library, kind)(channels_in, channels, size, **options)
        # our offsets have x fastest, theirs z
        weight = conv.weight.detach().view(channels, size, size, size, channels_in)
        made.load_state_dict({'weight': weight.transpose(1, 3).contiguous(),
                              'bias': conv.bias.detach()})
        return made.to(weight).eval()

    def _stage(self, blocks: nn.Module, depth: int) -> nn.Sequential:
        make = partial(self._make, 'SubMConv3d', size=3, indice_key=f'within {depth}')
        return nn.Sequential(*(_Block(block, make(conv=block.conv1), make(conv=block.conv2))
                               for block in blocks.children()
                               if isinstance(block, ResidualBlock)))


class _Block(nn.Module):
    """A `ResidualBlock` with convolutions of a library."""

    def __init__(self, block: ResidualBlock, conv1: nn.Module, conv2: nn.Module) -> None:
        super().__init__()
        self.conv1, self.conv2, self.shortcut = conv1, conv2, block.shortcut

    def forward(self, tensor: Any) -> Any:
        """Apply the block to a tensor of the library."""
        features = tensor.features
        shortcut = features if self.shortcut is None else self.shortcut(features, None)
        result = self.conv2(_relu(self.conv1(tensor)))
        return result.replace_feature((result.features + shortcut).relu())


def _relu(tensor: Any) -> Any:
    return tensor.replace_feature(tensor.features.relu())


def _in_order_of(level: Level, tensor: Any) -> Tensor:
    """Return the features of a tensor of the library in the row order of a level."""
    origin = level.coords.new_zeros(3)
    theirs, ours = (cell_keys(coords, origin)[0].argsort()
                    for coords in (tensor.indices.long(), level.coords))
    features: Tensor = torch.empty_like(tensor.features)
    features[ours] = tensor.features[theirs]
    return features
