"""The weights file: a model, its weights and its metadata in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
import io
import math
import os
from pathlib import Path
import pickle
from typing import Any, Final
import zipfile
import zlib

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.device import guard_memory
from mask3d_core.errors import InputError, NotEnoughMemoryError
from mask3d_core.files.target import atomic_write
from mask3d_core.model.config import ModelConfig
from mask3d_core.model.mask3d import Mask3D
from mask3d_core.scan import Scan
from mask3d_core.tiling.settings import default_tiles, TileSettings
from mask3d_core.voxels import Voxelization
from mask3d_core.weights.onnx_file import read_facts, SUFFIX
from mask3d_core.weights.state_dict import check_state
from mask3d_core.weights.weights_path import check_weights_path, FORMAT, mentions
import numpy as np
import torch

VERSION: Final = 1
MIN_HALF_SIZE: Final = 4096
"""Numbers of the smallest tensor that is stored in half precision, if that is asked for."""
SCANNET_COLOR_MEAN: Final = (0.47793125906962, 0.4303257521323044, 0.3749598901421883)
SCANNET_COLOR_STD: Final = (0.2834475483823543, 0.27566157565723015, 0.27018971370874995)
UNTRAINED: Final = ('These weights are untrained: boxes, classes and scores mean nothing; '
                    'only the pipeline and its timings are meaningful.')


@dataclass(frozen=True, eq=False)
class Weights:
    """
    The content of a weights file.

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
        Colours 0..1 are normalised to (color - mean) / std.
    trained : mapping
        Metadata of the training as plain values: data, command, seed, scores. Empty: untrained.
    licence : str
        Licence of the weights.
    state : mapping of str to tensor
        The state dict of `Mask3D(model)`, on the CPU unless loaded elsewhere.
    max_voxels : int
        Default of `Voxelization.max_voxels`; 0: no limit.
    tiles : TileSettings or None
        How maps larger than the training scans are cut; None: `default_tiles`.
    graph : path or None
        The ONNX file that has the network; `state` is empty then.
    max_contrast : float
        Default of `Voxelization.max_contrast`; 0: no limit.

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
    tiles: TileSettings | None = None
    graph: Path | None = None
    max_contrast: float = 0.0

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
        if not 0 <= self.max_contrast < math.inf:
            raise InputError(f'expected max_contrast of 0 or more, got {self.max_contrast}')
        if min(self.color_std) <= 0:
            raise InputError(f'expected color_std above 0, got {self.color_std}')

    @property
    def does_without_color(self) -> bool:
        """Whether the model can segment clouds without colour; it was trained on such, too."""
        return bool(self.trained.get('color_drop'))

    @property
    def uses_color(self) -> bool:
        """Whether the model needs coloured clouds."""
        return self.model.in_channels >= 3

    def colored(self, scan: Scan) -> Scan:
        """Give a scan without colour the mean colour, if the model was trained for that."""
        if scan.color is not None or not self.does_without_color:
            return scan
        mean = np.asarray(self.color_mean, np.float32)
        return replace(scan, color=np.broadcast_to(mean, (len(scan), 3)))

    @property
    def tiling(self) -> TileSettings:
        """How maps larger than the training scans are cut."""
        return self.tiles or default_tiles(self.voxel_size)

    def with_tiles(self, size: float | None, margin: float | None) -> Weights:
        """Return weights that cut maps otherwise: metres, as in `TileSettings`; None: as here."""
        if size is None and margin is None:
            return self
        now = self.tiling
        return replace(self, tiles=replace(now, size=now.size if size is None else size,
                                           margin=now.margin if margin is None else margin))

    def facts(self) -> dict[str, Any]:
        """Return everything but the state as plain values, for `from_facts`."""
        return {
            'format': FORMAT, 'version': VERSION, 'model': self.model.to_dict(),
            'classes': self.classes.to_dict(), 'voxel_size': self.voxel_size,
            'voxel_color': self.voxel_color, 'max_voxels': self.max_voxels,
            'color_mean': list(self.color_mean), 'color_std': list(self.color_std),
            'max_contrast': self.max_contrast,
            'tiles': None if self.tiles is None else asdict(self.tiles),
            'trained': dict(self.trained), 'licence': self.licence}

    @property
    def voxelization(self) -> Voxelization:
        """How scans are voxelized for the model."""
        return Voxelization(self.voxel_size, self.voxel_color,
                            self.color_mean if self.uses_color else None,
                            self.color_std if self.uses_color else None, self.max_voxels,
                            self.max_contrast)


def save_weights(path: str | Path, weights: Weights, half: bool = False) -> None:
    """
    Write a weights file, atomically.

    Parameters
    ----------
    path : path
    weights : Weights
    half : bool
        Store matrices as float16: half the size, and predictions differ by less than those of
        two trainings with different seeds. They are converted to float32 when loaded.

    Raises
    ------
    InputError
        If the state does not fit the model, if metadata is not made of plain values, which could
        not be read again, or if the file cannot be written.

    """
    path = Path(path)
    check_state(weights.model, weights.state, path.name)
    content = weights.facts()
    _check_plain(content, path.name)
    content['state'] = {name: _stored(tensor, half) for name, tensor in weights.state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_atomic(path, content)


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    """Copy a tensor of the state for the file; small tensors keep their precision."""
    plain = tensor.detach().cpu().contiguous().clone()
    return plain.half() if half and plain.numel() >= MIN_HALF_SIZE else plain


def save_atomic(path: Path, content: Mapping[str, Any]) -> None:
    """Run `torch.save` atomically; raise InputError if the file cannot be written."""
    with atomic_write(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch hides the OSError of a full disk behind its own
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.flush()
        os.fsync(file.fileno())


def _check_plain(facts: dict[str, Any], where: str) -> None:
    """Raise InputError that names the metadata which `load_weights` would reject."""
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


def load_weights(path: str | Path, device: str | torch.device = 'cpu') -> Weights:
    """
    Read a weights file without executing code from it.

    Parameters
    ----------
    path : path
        Written by `save_weights`, or an ONNX file that `mask3d export` wrote.
    device : torch device
        Device of the tensors of the state.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or does not fit its own model; the
        message names the tensor.

    """
    path = Path(path)
    check_weights_path(path)
    if path.suffix.lower() == SUFFIX:
        return replace(from_facts(read_facts(path) | {'state': {}}, path.name), graph=path)
    content = _read(path)
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise InputError(_describe_foreign(path))
    weights = from_facts(content, path.name)
    check_state(weights.model, weights.state, path.name)
    return replace(weights, state={name: tensor.to(device)
                                   for name, tensor in weights.state.items()})


def _read(path: Path) -> Any:
    try:
        with guard_memory(f'to read {path.name}: end other programs'):
            return load_verified(path)
    except NotEnoughMemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(_describe_foreign(path)) from error
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, OSError, zipfile.BadZipFile,
            zlib.error) as error:
        raise InputError(f'{path.name} is no weights file or is cut short ({error}): copy it '
                         'again, or make one with `mask3d convert ORIGINAL.ckpt OUT`') from error


def load_verified(path: Path) -> Any:
    """
    Read onto the CPU what `save_atomic` wrote, without executing code from it.

    Raises
    ------
    zipfile.BadZipFile
        If a checksum is wrong, which torch.load does not verify; and whatever that raises.

    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f'damaged in {damaged}')
    return torch.load(path, map_location='cpu', weights_only=True)


def _describe_foreign(path: Path) -> str:
    """Return a message about a file of another kind."""
    if mentions(path, 'state_dict'):
        return (f'{path.name} is a checkpoint of the original Mask3D or of another program: run '
                f'`mask3d convert {path} {path.with_suffix(".weights").name}` first')
    return (f'{path.name} is not a weights file of mask3d_ros: expected one that '
            '`mask3d convert` wrote')


def from_facts(content: dict[str, Any], where: str) -> Weights:
    """
    Return the weights with the facts that `Weights.facts` returned, and a state if there is one.

    Raises
    ------
    InputError
        If they are damaged or of another version; `where` names the file.

    """
    if content.get('version') != VERSION:
        raise InputError(f'{where} has version {content.get("version")} of the weights '
                         f'format, this program reads {VERSION}: update mask3d_ros')
    try:
        return _from_content(content)
    except InputError as error:
        raise InputError(f'{where} cannot be used: {error}') from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f'{where} is damaged: its metadata cannot be read ({error!r}); '
                         'copy or convert it again') from error


def _from_content(content: dict[str, Any]) -> Weights:
    (mean_r, mean_g, mean_b), (std_r, std_g, std_b) = (
        map(float, content[key]) for key in ('color_mean', 'color_std'))
    if not all(isinstance(tensor, torch.Tensor) for tensor in content['state'].values()):
        raise TypeError('the state contains a value that is not a tensor')
    state = {name: tensor.float() if tensor.dtype == torch.float16 else tensor
             for name, tensor in content['state'].items()}
    return Weights(
        ModelConfig.from_dict(content['model']), ClassTable.from_dict(content['classes']),
        float(content['voxel_size']), str(content['voxel_color']),
        (mean_r, mean_g, mean_b), (std_r, std_g, std_b),
        dict(content['trained']), str(content['licence']), state,
        _integer(content.get('max_voxels', 0)), _tiles(content.get('tiles')),
        max_contrast=float(content.get('max_contrast', 0.0)))


def _tiles(content: dict[str, Any] | None) -> TileSettings | None:
    if content is None:
        return None
    if type(content['along_walls']) is not bool:
        raise TypeError(f'{content["along_walls"]!r} is neither True nor False')
    return TileSettings(float(content['size']), float(content['margin']), content['along_walls'])


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f'{value!r} is not an integer')
    return value


def untrained_weights(config: ModelConfig, classes: ClassTable, voxel_size: float = 0.02,
                      seed: int = 0) -> Weights:
    """
    Return randomly initialized weights, reproducible from the seed.

    The global random state is not changed.
    """
    with torch.random.fork_rng(devices=[]), torch.device('cpu'):
        torch.manual_seed(seed)
        state = Mask3D(config).state_dict()
    return Weights(config, classes, voxel_size, 'mean', SCANNET_COLOR_MEAN, SCANNET_COLOR_STD,
                   {}, 'Apache-2.0', state)


def untrained_full_weights(seed: int = 2) -> Weights:
    """
    Return untrained weights of full size with ScanNet's classes; users print `UNTRAINED`.

    Without training all queries predict nearly the same mask. With the default seed it covers most
    of a scan, so that there is something to display.
    """
    classes = load_classes('scannet20').without(['wall', 'floor'])
    return untrained_weights(ModelConfig(num_classes=len(classes)), classes, seed=seed)
