"""
Read a file of `torch.save` without running any code in it.

A pickle is a program that can import and call any function. This unpickler replaces every class
and function by an inert class that only records its arguments. Tensors are read on request, so
the optimizer state, two thirds of a training checkpoint, is never read.
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
MAX_PICKLE_BYTES: Final = 256 * 2**20
"""Of `data.pkl`; a checkpoint of the original has less than one megabyte."""


class _Sealed(type):
    """Metaclass of `Inert`: prevents a pickle from setting attributes of its classes."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f'a pickle tried to set {name!r} of a class')


class Inert(metaclass=_Sealed):
    """
    Placeholder for an object whose class is not loaded.

    Attributes
    ----------
    origin : str
        Name of the class or function that the pickle refers to.
    args : tuple
        Arguments of the constructor or call.
    state : object
        Argument of `__setstate__`, None if there is none.
    items : dict
        Items that the pickle sets by key.

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
        """Record a call of a returned object, as in getattr(owner, name)(...)."""
        return Inert(*args)

    def __setstate__(self, state: Any) -> None:
        """Record the state (the BUILD instruction)."""
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Record an entry (the SETITEM instructions)."""
        self.items[key] = value

    def append(self, value: Any) -> None:
        """Discard an element: no list or set of a checkpoint is needed."""

    add = append

    def extend(self, values: Iterable[Any]) -> None:
        """Discard elements."""


@dataclass(frozen=True)
class _Storage:
    """A storage in the archive; tensors are views of storages."""

    dtype: torch.dtype
    key: str
    size: int


class _InertUnpickler(pickle.Unpickler):
    """Unpickler that resolves every global to a subclass of `Inert`."""

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
    A file of `torch.save`, opened without loading any class or tensor.

    Attributes
    ----------
    content : object
        The saved object; plain values are kept, all other objects are `Inert`.

    """

    def __init__(self, path: str | Path) -> None:
        """
        Read the pickled object of a file, without its tensors.

        Raises
        ------
        InputError
            If the file is missing, damaged, or not written by torch 1.6 or newer.

        """
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f'there is no file {self.path}: give the path of a checkpoint')
        if not zipfile.is_zipfile(self.path):
            raise InputError(
                f'{self.path.name} is not a zip archive as torch.save has written it since torch '
                '1.6: it is truncated, no checkpoint, or older; expected a .ckpt of the original')
        try:
            self._archive = zipfile.ZipFile(self.path)
            entries = [name for name in self._archive.namelist() if name.endswith('/data.pkl')]
            if len(entries) != 1:
                raise pickle.UnpicklingError('it holds no data.pkl')
            self._prefix = entries[0].removesuffix('data.pkl')
            if self._archive.getinfo(entries[0]).file_size > MAX_PICKLE_BYTES:
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
            If `record` is no tensor, or its storage is missing or damaged.

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
        # Check the bounds: as_strided would read beyond the storage.
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
    """Return whether a value of a checkpoint is the placeholder of a tensor."""
    return isinstance(value, Inert) and value.origin in (
        'torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_parameter')


def lookup(value: Any, path: str) -> Any:
    """
    Return a plain value from nested containers, or None if it does not exist.

    Parameters
    ----------
    value : object
        Root container: a dict, or an `Inert` OrderedDict, AttributeDict, Namespace or DictConfig.
    path : str
        Keys separated by dots: 'model.num_heads'.

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
    """Return the items of a container; omegaconf stores them in the `_content` of its state."""
    if isinstance(value, Inert):
        value = value.items or value.state
        if isinstance(value, dict):
            value = value.get('_content', value)
    return value if isinstance(value, dict) else {}


def _leaf(value: Any) -> Any:
    """Return the value of an omegaconf node; other values unchanged."""
    if isinstance(value, Inert) and isinstance(value.state, dict):
        return value.state.get('_val', value.state.get('_content'))
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))
