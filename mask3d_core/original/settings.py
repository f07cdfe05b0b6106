"""Read the training configuration stored in a checkpoint of the original."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from mask3d_core.errors import InputError
from mask3d_core.original.inert_pickle import entries, lookup

SUPPORTED_VALUES: Final = {
    # settings that change the computation, with the only value that is implemented here
    'model.pre_norm': False, 'model.use_level_embed': False, 'model.normalize_pos_enc': True,
    'model.positional_encoding_type': 'fourier', 'model.scatter_type': 'mean',
    'model.random_queries': False, 'model.random_query_both': False,
    'data.add_colors': True, 'data.add_normals': False}

Plain = TypeVar('Plain', bool, int, float)


class OriginalSettings:
    """
    The settings that a checkpoint was trained with, if they are stored in it.

    Attributes
    ----------
    facts : list of str
        For the report: each requested setting with the source of its value.

    """

    def __init__(self, content: Any, facts: list[str]) -> None:
        """Find the configuration in the content of a checkpoint."""
        root = entries(content).get('hyper_parameters')
        self._root = entries(root).get('config', root)
        self.facts = facts

    def read(self, path: str) -> Any:
        """Return a plain value or None, resolving references like ${general.num_targets}."""
        value = lookup(self._root, path)
        for _ in range(8):  # ends cyclic references
            reference = re.fullmatch(r'\$\{([\w.]+)\}', value) if isinstance(value, str) else None
            if reference is None:
                return value
            value = lookup(self._root, reference[1])
        return None

    def read_levels(self) -> tuple[int, ...]:
        """Return the levels that the decoder attends to, empty if they are not stored."""
        levels = self.read('model.hlevels')
        known = isinstance(levels, list) and all(type(level) is int for level in levels)
        return tuple(levels) if known else ()

    def choose(self, name: str, option: Plain | None, path: str, default: Plain) -> Plain:
        """Return the user's value, else the checkpoint's, else the default, and record which."""
        value, origin = default, 'assumed: the checkpoint does not say'
        found = self.read(path)
        if type(default) is float and type(found) is int:
            found = float(found)
        if option is not None:
            value, origin = option, 'given'
        elif type(found) is type(default):
            value, origin = found, f'from the checkpoint: {path}'
        self.facts.append(f'{name}: {value} ({origin})')
        return value

    def inferred(self, name: str, option: Plain | None, value: Plain) -> Plain:
        """Return and record a value inferred from shapes; raise InputError for another option."""
        if option not in (None, value):
            raise InputError(f'{name}: the tensors of the checkpoint have {value}, not {option}: '
                             'leave the option out')
        self.facts.append(f'{name}: {value} (from the shapes)')
        return value

    def refuse_unsupported(self) -> None:
        """Raise InputError if a setting has a value that is not implemented here."""
        for path, only in SUPPORTED_VALUES.items():
            value = self.read(path)
            if value is not None and value != only:
                raise InputError(f'the checkpoint was trained with {path} = {value}; only '
                                 f'{only} is supported')
