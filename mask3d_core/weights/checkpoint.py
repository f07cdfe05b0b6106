"""The weights file: a model and the facts that belong to it, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import io
import math
import os
from pathlib import Path
import pickle
from typing import Any, Final
import zipfile
import zlib

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.errors import InputError
from mask3d_core.files.target import atomic_write
from mask3d_core.model.config import ModelConfig
from mask3d_core.model.mask3d import Mask3D
from mask3d_core.scan import Scan
from mask3d_core.voxels import Voxelization
import numpy as np
import torch

FORMAT: Final = 'mask3d weights'
VERSION: Final = 1
HALVED: Final = 4096
"""Numbers of the smallest tensor that is stored in half precision, where that is wanted."""
SCANNET_COLOR_MEAN: Final = (0.47793125906962, 0.4303257521323044, 0.3749598901421883)
SCANNET_COLOR_STD: Final = (0.2834475483823543, 0.27566157565723015, 0.27018971370874995)
UNTRAINED: Final = ('These weights are untrained: boxes, classes and scores mean nothing; '
                    'the way through and its speed are the real ones.')


@dataclass(frozen=True, eq=False)
class Weights:
    """
    What one weights file holds.

    Attributes
    ----------
    model : ModelConfig
    classes : ClassTable
        In the order of the class logits.
    voxel_size : float
        Metres.
    voxel_color : str
        'mean' of a voxel's points (the paper) or its 'first' point (the original's code).
    color_mean, color_std : 3 floats
        Colours 0..1 become (color - mean) / std.
    trained : mapping
        Facts of the training as plain values: data, command, seed, scores. Empty: untrained.
    licence : str
        Under which terms the weights may be used.
    state : mapping of str to tensor
        The state dict of `Mask3D(model)`, on the CPU unless loaded elsewhere.
    max_voxels : int
        Default of `Voxelization.max_voxels`; 0: no limit.

    """

    model: ModelConfig
    classes: ClassTable
    voxel_size: float
    voxel_color: str
    color_mean: tuple[float, float, float]
    color_std: tuple[float, float, float]
    trained: Mapping[str, Any]
    licence: str
    state: Mapping[str, torch.Tensor] = field(repr=False)
    max_voxels: int = 0

    def __post_init__(self) -> None:
        if len(self.classes) != self.model.num_classes:
            raise InputError(f'the class table has {len(self.classes)} classes, the model '
                             f'{self.model.num_classes}: they must agree')
        if not (math.isfinite(self.voxel_size) and self.voxel_size > 0):
            raise InputError(f'expected a voxel size above 0 m, got {self.voxel_size}')
        if self.max_voxels < 0:
            raise InputError(f'expected max_voxels of 0 or more, got {self.max_voxels}')
        if self.voxel_color not in ('mean', 'first'):
            raise InputError("expected voxel_color to be 'mean' or 'first', "
                             f'got {self.voxel_color!r}')
        for name in ('color_mean', 'color_std'):
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(value) for value in values):
                raise InputError(f'expected three numbers as {name}, got {values}')
        if min(self.color_std) <= 0:
            raise InputError(f'expected color_std above 0, got {self.color_std}')

    @property
    def does_without_color(self) -> bool:
        """Return whether it also serves clouds without colour, having learned from such."""
        return bool(self.trained.get('color_drop'))

    @property
    def uses_color(self) -> bool:
        """Whether the model needs coloured clouds."""
        return self.model.in_channels >= 3

    def colored(self, scan: Scan) -> Scan:
        """Give a scan without colour the mean one, if the model has learned to do without."""
        if scan.color is not None or not self.does_without_color:
            return scan
        mean = np.asarray(self.color_mean, np.float32)
        return replace(scan, color=np.broadcast_to(mean, (len(scan), 3)))

    @property
    def voxelization(self) -> Voxelization:
        """How the model wants its scans."""
        return Voxelization(self.voxel_size, self.voxel_color,
                            self.color_mean if self.uses_color else None,
                            self.color_std if self.uses_color else None, self.max_voxels)


def save_weights(path: str | Path, weights: Weights, half: bool = False) -> None:
    """
    Write a weights file, whole or not at all.

    Parameters
    ----------
    path : path
    weights : Weights
    half : bool
        Store matrices as float16: half the size, and predictions that differ by less than
        training again with another seed would make them. They are float32 again once loaded.

    Raises
    ------
    InputError
        When the state does not fit the model, or a fact is no plain value: the file could not be
        read again. When the file cannot be written.

    """
    path = Path(path)
    check_state(weights.model, weights.state, path.name)
    content = {
        'format': FORMAT, 'version': VERSION, 'model': weights.model.to_dict(),
        'classes': weights.classes.to_dict(), 'voxel_size': weights.voxel_size,
        'voxel_color': weights.voxel_color, 'max_voxels': weights.max_voxels,
        'color_mean': list(weights.color_mean), 'color_std': list(weights.color_std),
        'trained': dict(weights.trained), 'licence': weights.licence}
    _check_plain(content, path.name)
    content['state'] = {name: _stored(tensor, half) for name, tensor in weights.state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_whole(path, content)


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    """Copy a tensor of the state as the file holds it; few numbers are not worth rounding."""
    plain = tensor.detach().cpu().contiguous().clone()
    return plain.half() if half and plain.numel() >= HALVED else plain


def save_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Write what torch can save, whole or not at all; raise InputError when it cannot be."""
    with atomic_write(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # of torch, about what is left of a file on a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.flush()
        os.fsync(file.fileno())


def _check_plain(facts: dict[str, Any], where: str) -> None:
    """Raise InputError that names every fact which `load_weights` would refuse to read."""
    def readable(value: Any) -> bool:
        buffer = io.BytesIO()
        try:
            torch.save(value, buffer)
            buffer.seek(0)
            torch.load(buffer, weights_only=True)
        except (pickle.PickleError, AttributeError, TypeError):
            return False
        return True

    def faults(name: str, value: Any) -> list[str]:
        if readable(value):
            return []
        inner = value.items() if isinstance(value, dict) else ()
        return [fault for key, part in inner for fault in faults(f'{name}{key}.', part)] or [
            f'{name[:-1]} ({type(value).__name__})']

    wrong = faults('', facts)
    if wrong:
        raise InputError(f'{where} would not be readable: expected numbers, text, lists and '
                         f'tables of them, got {", ".join(wrong)}')


def is_weights_file(path: str | Path) -> bool:
    """Tell whether a file is one that `save_weights` wrote."""
    return _mentions(Path(path), FORMAT)


def _mentions(path: Path, word: str) -> bool:
    """Tell whether a word stands in what torch saved beside the tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(word.encode() in archive.read(name) for name in archive.namelist()
                       if name.endswith('/data.pkl'))
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, OSError):
        return False  # whoever reads it says what is wrong with it


def load_weights(path: str | Path, device: str | torch.device = 'cpu') -> Weights:
    """
    Read a weights file without running anything it contains.

    Parameters
    ----------
    path : path
        Written by `save_weights`.
    device : torch device
        Where the tensors of the state go.

    Raises
    ------
    InputError
        When the file is missing, broken, of another kind, or does not fit its own model; the
        message names the tensor.

    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f'there is no weights file {path}: give the path of a file that '
                         '`mask3d train` or `mask3d convert` wrote')
    content = _read(path)
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise InputError(_foreign(path))
    if content.get('version') != VERSION:
        raise InputError(f'{path.name} has version {content.get("version")} of the weights '
                         f'format, this program reads {VERSION}: update mask3d_ros')
    try:
        weights = _from_content(content)
    except InputError as error:
        raise InputError(f'{path.name} cannot be used: {error}') from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f'{path.name} is damaged: its facts cannot be read ({error!r}); '
                         'copy or convert it again') from error
    check_state(weights.model, weights.state, path.name)
    return replace(weights, state={name: tensor.to(device)
                                   for name, tensor in weights.state.items()})


def _read(path: Path) -> Any:
    try:
        return load_whole(path)
    except pickle.UnpicklingError as error:
        raise InputError(_foreign(path)) from error
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, OSError, zipfile.BadZipFile,
            zlib.error) as error:
        raise InputError(f'{path.name} is no weights file or is cut short ({error}): copy it '
                         'again, or make one with `mask3d convert ORIGINAL.ckpt OUT`') from error


def load_whole(path: Path) -> Any:
    """
    Read onto the CPU what `save_whole` wrote, without running anything it contains.

    Raises
    ------
    zipfile.BadZipFile
        When a checksum is wrong, which torch.load does not look at; and all that it raises.

    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f'damaged in {damaged}')
    return torch.load(path, map_location='cpu', weights_only=True)


def _foreign(path: Path) -> str:
    """Say what a file is that is not ours."""
    if _mentions(path, 'state_dict'):
        return (f'{path.name} is a checkpoint of the original Mask3D or of another program: run '
                f'`mask3d convert {path} {path.with_suffix(".weights").name}` first')
    return (f'{path.name} is not a weights file of mask3d_ros: expected one that '
            '`mask3d convert` wrote')


def _from_content(content: dict[str, Any]) -> Weights:
    (mean_r, mean_g, mean_b), (std_r, std_g, std_b) = (
        map(float, content[key]) for key in ('color_mean', 'color_std'))
    if not all(isinstance(tensor, torch.Tensor) for tensor in content['state'].values()):
        raise TypeError('the state holds something that is no tensor')
    state = {name: tensor.float() if tensor.dtype == torch.float16 else tensor
             for name, tensor in content['state'].items()}
    return Weights(
        ModelConfig.from_dict(content['model']), ClassTable.from_dict(content['classes']),
        float(content['voxel_size']), str(content['voxel_color']),
        (mean_r, mean_g, mean_b), (std_r, std_g, std_b),
        dict(content['trained']), str(content['licence']), state,
        _whole(content.get('max_voxels', 0)))


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f'{value!r} is no whole number')
    return value


def expected_state(config: ModelConfig) -> dict[str, torch.Tensor]:
    """Return the state dict of a model as tensors without memory: names, shapes, types."""
    with torch.device('meta'):
        return Mask3D(config).state_dict()


def check_state(config: ModelConfig, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Raise InputError that names every tensor which is missing, extra or misshapen."""
    expected = expected_state(config)
    faults = [f'{name} is missing' for name in expected if name not in state]
    faults += [f'{name} is unknown' for name in state if name not in expected]
    faults += [
        f'{name} is {describe(state[name])}, expected {describe(tensor)}'
        for name, tensor in expected.items() if name in state
        and (state[name].shape != tensor.shape or state[name].dtype != tensor.dtype)]
    if faults:
        raise InputError(list_faults(where, faults))


def list_faults(where: str, faults: list[str], most: int = 8) -> str:
    """Return one sentence about tensors that do not fit."""
    more = f', and {len(faults) - most} more' if len(faults) > most else ''
    return (f'{where} does not fit its model ({len(faults)} tensors): '
            + '; '.join(faults[:most]) + more)


def describe(tensor: torch.Tensor) -> str:
    """Return shape and type of a tensor: '[3, 64] float32'."""
    return f'{list(tensor.shape)} {str(tensor.dtype).removeprefix("torch.")}'


def untrained_weights(config: ModelConfig, classes: ClassTable, voxel_size: float = 0.02,
                      seed: int = 0) -> Weights:
    """
    Make weights as training would start from: the same seed gives the same numbers.

    The random state of the program stays as it was.
    """
    with torch.random.fork_rng(devices=[]), torch.device('cpu'):
        torch.manual_seed(seed)
        state = Mask3D(config).state_dict()
    return Weights(config, classes, voxel_size, 'mean', SCANNET_COLOR_MEAN, SCANNET_COLOR_STD,
                   {}, 'Apache-2.0', state)


def demo_weights(seed: int = 2) -> Weights:
    """
    Make untrained weights of full size with ScanNet's classes; whoever uses them says `UNTRAINED`.

    Without training all queries see nearly the same mask; the default seed is one whose mask
    covers most of a scan, so that there is something to look at.
    """
    classes = load_classes('scannet20').without(['wall', 'floor'])
    return untrained_weights(ModelConfig(num_classes=len(classes)), classes, seed=seed)
