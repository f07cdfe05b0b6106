"""
Read a file of `torch.save` without running anything it contains.

A pickle is a program: it may name any function of the machine and call it. Here every name turns
into an empty class that only records what it was given, so the worst a file can do is be wrong.
Tensors stay on disk until one is asked for: of a training checkpoint the optimizer's share, two
thirds of it, is never read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
import math
from pathlib import Path
import pickle
from typing import Any, BinaryIO, Final
import zipfile
import zlib

from mask3d_core.errors import InputError
import torch

_DTYPES: Final = {
    'FloatStorage': torch.float32, 'DoubleStorage': torch.float64, 'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
    'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool}
_BROKEN: Final = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError,
                  AttributeError, OverflowError, MemoryError, NotImplementedError, OSError,
                  zipfile.BadZipFile, zlib.error)
# Bytes of the object part of a file; the original's is below one megabyte.
MAX_PICKLE: Final = 256 * 2**20


class _Sealed(type):
    """Keep a pickle from changing the classes it is given."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f'a pickle tried to set {name!r} of a class')


class Inert(metaclass=_Sealed):
    """
    What stands for an object of a class that is not loaded.

    Attributes
    ----------
    origin : str
        Name of the class or function the pickle asked for.
    args : tuple
        What it would have been called with.
    state : object
        What it would have restored itself from.
    items : dict
        What would have been stored in it by key.

    """

    origin = ''
    args: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]

    def __new__(cls, *args: Any, **_: Any) -> Inert:
        """Record a call or a construction."""
        self = object.__new__(cls)
        self.args, self.state, self.items = args, None, {}
        return self

    def __call__(self, *args: Any, **_: Any) -> Inert:
        """Record the call of what a call returned, as in getattr(owner, name)(...)."""
        return Inert(*args)

    def __setstate__(self, state: Any) -> None:
        """Record the state (the BUILD instruction)."""
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Record an entry (the SETITEM instructions)."""
        self.items[key] = value

    def append(self, value: Any) -> None:
        """Drop an element: no list or set of the original's matters to us."""

    add = append

    def extend(self, values: Iterable[Any]) -> None:
        """Drop elements."""


@dataclass(frozen=True)
class _Storage:
    """Where the numbers of some tensors lie in the archive."""

    dtype: torch.dtype
    key: str
    size: int


class _InertUnpickler(pickle.Unpickler):

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.classes: dict[str, _Sealed] = {}

    def find_class(self, module: str, name: str) -> _Sealed:
        origin = f'{module}.{name}'
        if origin not in self.classes:
            self.classes[origin] = _Sealed('Inert', (Inert,), {'origin': origin})
        return self.classes[origin]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _, size = pid
        dtype = _DTYPES.get(storage.origin.rpartition('.')[2])
        if kind != 'storage' or dtype is None:
            raise pickle.UnpicklingError(f'unknown storage {storage.origin}')
        return _Storage(dtype, str(key), int(size))


class InertCheckpoint:
    """
    A file of `torch.save`, opened without loading a class or a tensor.

    Attributes
    ----------
    content : object
        What was saved; plain values are themselves, everything else is `Inert`.

    """

    def __init__(self, path: str | Path) -> None:
        """
        Read the object part of a file.

        Raises
        ------
        InputError
            When the file is missing, broken or not written by torch 1.6 or newer.

        """
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f'there is no file {self.path}: give the path of a checkpoint')
        if not zipfile.is_zipfile(self.path):
            raise InputError(
                f'{self.path.name} is not a zip archive as torch.save has written it since torch '
                '1.6: it is cut short, no checkpoint, or older; expected a .ckpt of the original')
        try:
            self._archive = zipfile.ZipFile(self.path)
            entries = [name for name in self._archive.namelist() if name.endswith('/data.pkl')]
            if len(entries) != 1:
                raise pickle.UnpicklingError('it holds no data.pkl')
            self._prefix = entries[0].removesuffix('data.pkl')
            if self._archive.getinfo(entries[0]).file_size > MAX_PICKLE:
                raise pickle.UnpicklingError('its object part is absurdly large')
            self._check_byte_order()
            pickled = BytesIO(self._archive.read(entries[0]))
            self.content = _InertUnpickler(pickled).load()
        except _BROKEN as error:
            raise InputError(f'{self.path.name} is no checkpoint that can be read: {error}; '
                             'download it again') from error

    def _check_byte_order(self) -> None:
        name = self._prefix + 'byteorder'
        if name in self._archive.namelist() and self._archive.read(name) != b'little':
            raise pickle.UnpicklingError('it was written on a big-endian machine')

    def tensor(self, record: Any) -> torch.Tensor:
        """
        Read one tensor.

        Raises
        ------
        InputError
            When `record` is no tensor, or its numbers are missing or damaged.

        """
        try:
            return self._read(record)
        except _BROKEN as error:
            raise InputError(f'{self.path.name} holds a tensor that cannot be read: {error}; '
                             'download it again') from error

    def _read(self, record: Any) -> torch.Tensor:
        if is_tensor(record) and record.origin.endswith('_rebuild_parameter'):
            record = record.args[0]
        if not is_tensor(record):
            raise pickle.UnpicklingError('not a tensor')
        storage, offset, size, stride = record.args[:4]
        values = (offset, *size, *stride)
        if not isinstance(storage, _Storage) or len(size) != len(stride) or not all(
                isinstance(value, int) and value >= 0 for value in values):
            raise pickle.UnpicklingError('its shape makes no sense')
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if math.prod(size) > storage.size or last >= storage.size:
            raise pickle.UnpicklingError('its shape is larger than its storage')
        entry = self._archive.getinfo(f'{self._prefix}data/{storage.key}')
        if entry.file_size != storage.size * storage.dtype.itemsize:
            raise pickle.UnpicklingError('its storage has another size than announced')
        numbers = torch.frombuffer(bytearray(self._archive.read(entry)), dtype=storage.dtype)
        return numbers.as_strided(size, stride, offset).clone(
            memory_format=torch.contiguous_format)


def is_tensor(value: Any) -> bool:
    """Return whether a value of a checkpoint stands for a tensor."""
    return isinstance(value, Inert) and value.origin in (
        'torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_parameter')


def dig(value: Any, path: str) -> Any:
    """
    Return a plain value from deep inside recorded objects, None when it is not there.

    Parameters
    ----------
    value : object
        Where to start: a dictionary, or a recorded one (ordered, attribute, namespace, omegaconf).
    path : str
        Keys with dots between them: 'model.num_heads'.

    Returns
    -------
    bool, int, float, str, or a list of them

    """
    for key in path.split('.'):
        value = entries(value).get(key)
    value = _leaf(value)
    if isinstance(value, (list, tuple)):
        leaves = [_leaf(entry) for entry in value]
        return leaves if all(map(_is_plain, leaves)) else None
    return value if _is_plain(value) else None


def entries(value: Any) -> dict[Any, Any]:
    """Return what a container holds; omegaconf keeps it in the `_content` of its state."""
    if isinstance(value, Inert):
        value = value.items or value.state
        if isinstance(value, dict):
            value = value.get('_content', value)
    return value if isinstance(value, dict) else {}


def _leaf(value: Any) -> Any:
    """Return the value of an omegaconf node, anything else as it is."""
    if isinstance(value, Inert) and isinstance(value.state, dict):
        return value.state.get('_val', value.state.get('_content'))
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))
