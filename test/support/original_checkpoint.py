"""Checkpoints as the original writes them, with the weights of the golden data."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import sys
from types import ModuleType
from typing import Any

from golden_weights import tensor_for
import torch

State = dict[str, torch.Tensor]


def golden_state(golden_json: Callable[[str], dict[str, Any]]) -> State:
    """Return the original's weights of the smallest golden case."""
    shapes = golden_json('micro_eval')['state_shapes']
    return {name: torch.from_numpy(tensor_for(name, shape))
            for name, (_, shape) in shapes.items()}


@contextmanager
def foreign_module() -> Iterator[ModuleType]:
    """Give a module with configuration classes like omegaconf's that is gone afterwards."""
    module = ModuleType('foreign_conf')
    exec("""
class Node:
    def __init__(self, value, parent):
        self._metadata, self._parent, self._flags_cache = Metadata(), parent, None
        self.fill(value)
    def __getstate__(self):
        return {key: value for key, value in vars(self).items() if key != '_flags_cache'}
    def __setstate__(self, state):
        raise RuntimeError('the code of the checkpoint was run')
class AnyNode(Node):
    def fill(self, value):
        self._val = value
class ListConfig(Node):
    def fill(self, value):
        self._content = [wrap(entry, self) for entry in value]
class DictConfig(Node):
    def fill(self, value):
        self._content = {key: wrap(entry, self) for key, entry in value.items()}
class Metadata:
    pass
def wrap(value, parent=None):
    kinds = {dict: DictConfig, list: ListConfig}
    return kinds.get(type(value), AnyNode)(value, parent)
""", vars(module))
    sys.modules['foreign_conf'] = module
    try:
        yield module
    finally:
        del sys.modules['foreign_conf']


def lightning(path: Path, state: State, config: Any = None, **more: Any) -> Path:
    """Write a checkpoint with the layout of PyTorch Lightning 1.7."""
    prefixed = OrderedDict((f'model.{name}', tensor) for name, tensor in state.items())
    prefixed['criterion.empty_weight'] = torch.ones(19)
    content = {
        'epoch': 599, 'global_step': 123, 'pytorch-lightning_version': '1.7.2',
        'state_dict': prefixed, 'loops': {'fit_loop': {'state_dict': {}}},
        'optimizer_states': [{'state': {0: {'exp_avg': torch.zeros(3)}}}]}
    with foreign_module() as module:
        if config is not None:
            content |= {'hparams_name': 'kwargs',
                        'hyper_parameters': {'config': module.wrap(config)},
                        'callbacks': {module.Metadata: {'best': torch.tensor(0.5)}}}
        torch.save(content | more, path)
    return path
