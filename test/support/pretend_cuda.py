"""A GPU to be wrong on where there is none: tensors of the CPU that say they are on one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

ACROSS = {'_to_copy', 'copy_'}
"""Operations whose tensors may be on both devices."""
INDEXING = {'index', 'index_put', 'index_put_', '_index_put_impl_'}
"""Those whose indices may be on the CPU."""
PRODUCTS = {'mm', 'mv', 'bmm', 'addmm', 'addmv', 'baddbmm', 'dot'}
"""Those that CUDA does not have for integers."""
WAITING = {'_local_scalar_dense', '_unique2', 'bincount', 'equal', 'is_nonzero', 'item',
           'masked_select', 'nonzero', 'unique_dim'}
"""Those for which the host waits, as it must know a number or a size."""
waits: list[str] = []
"""The operations so far for which the host would have waited for the GPU."""


class _Backend(_DummyBackendModule):
    """What torch asks of the module of a device."""

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


_setup_privateuseone_for_python_backend('pretend', _Backend())
DEVICE = torch.device('pretend', 0)


class PretendTensor(torch.Tensor):
    """A tensor of the CPU that says it is on the GPU."""

    inside: torch.Tensor
    is_cuda = True
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls: type, inside: torch.Tensor) -> PretendTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inside.shape, strides=inside.stride(), storage_offset=inside.storage_offset(),
            dtype=inside.dtype, device=DEVICE)
        made.inside = inside
        return made

    def tolist(self) -> Any:
        """Return the numbers, which torch does not of tensors that are not its own."""
        waits.append('tolist')
        return self.inside.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        return _dispatch(function, args, kwargs or {})


class PretendCuda(TorchDispatchMode):
    """Inside, tensors can be made on a GPU that is none, and moved there and back."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        return _dispatch(function, args, kwargs or {})


@torch.inference_mode(False)
@torch.no_grad()
def _dispatch(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do an operation on the CPU; raise RuntimeError where CUDA would."""
    name = function.overloadpacket.__name__
    tensors: list[torch.Tensor] = []
    _change_tensors((args, kwargs), tensors.append)
    ours = [tensor for tensor in tensors if isinstance(tensor, PretendTensor)]
    if ours and name not in ACROSS:
        strangers = [t for t in tensors if t.dim() and not isinstance(t, PretendTensor)]
        if strangers and not (name in INDEXING and isinstance(tensors[0], PretendTensor)):
            raise RuntimeError(f'{function}: some tensors are on the GPU, some on the CPU')
    if ours and name in PRODUCTS and not all(t.is_floating_point() for t in tensors):
        raise RuntimeError(f'{function} of integers: CUDA has none')
    asked = kwargs.get('device')
    if ours and _waits(name, args, asked):
        waits.append(name)
    on_gpu = bool(ours) if asked is None else torch.device(asked).type == DEVICE.type
    if asked is not None:
        kwargs = kwargs | {'device': torch.device('cpu')}
    plain, named = _change_tensors(
        (args, kwargs), lambda tensor: getattr(tensor, 'inside', tensor))
    result = function(*plain, **named)
    if function._schema.is_mutable and isinstance(result, torch.Tensor):
        return kwargs.get('out', args[0])
    return _change_tensors(result, PretendTensor) if on_gpu else result


def _waits(name: str, args: Any, asked: Any) -> bool:
    """Return whether the host waits for an operation on tensors of the GPU."""
    if name in INDEXING:  # a mask is searched for its True values
        indices = [index for index in args[1] if index is not None]
        return any(index.dtype == torch.bool for index in indices)
    if name in ('_to_copy', 'to'):
        return asked is not None and torch.device(asked).type == 'cpu'
    if name == 'copy_':
        return not isinstance(args[0], PretendTensor)
    return name in WAITING


def _change_tensors(value: Any, change: Callable[[torch.Tensor], Any]) -> Any:
    """Change the tensors in arguments or results; torch's own tree_map is slow."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)([_change_tensors(each, change) for each in value])
    if type(value) is dict:
        return {key: _change_tensors(each, change) for key, each in value.items()}
    return value
