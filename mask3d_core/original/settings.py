"""The configuration inside a checkpoint of the original."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from mask3d_core.errors import InputError
from mask3d_core.original.inert_pickle import dig, entries

REQUIRED: Final = {
    # settings of the original that change its mathematics: the one value this program has
    'model.pre_norm': False, 'model.use_level_embed': False, 'model.normalize_pos_enc': True,
    'model.positional_encoding_type': 'fourier', 'model.scatter_type': 'mean',
    'model.random_queries': False, 'model.random_query_both': False,
    'data.add_colors': True, 'data.add_normals': False}

Plain = TypeVar('Plain', bool, int, float)


class OriginalSettings:
    """
    The settings a checkpoint was trained with, as far as they can be read.

    Attributes
    ----------
    facts : list of str
        Each setting that was asked for and where its value came from, for the report.

    """

    def __init__(self, content: Any, facts: list[str]) -> None:
        """Find the configuration in what a checkpoint holds."""
        root = entries(content).get('hyper_parameters')
        self._root = entries(root).get('config', root)
        self.facts = facts

    def read(self, path: str) -> Any:
        """Return a plain value, following references such as ${general.num_targets}, or None."""
        value = dig(self._root, path)
        for _ in range(8):
            reference = re.fullmatch(r'\$\{([\w.]+)\}', value) if isinstance(value, str) else None
            if reference is None:
                return value
            value = dig(self._root, reference[1])
        return None

    def read_levels(self) -> tuple[int, ...]:
        """Return the attended levels, empty when the checkpoint does not say."""
        levels = self.read('model.hlevels')
        known = isinstance(levels, list) and all(type(level) is int for level in levels)
        return tuple(levels) if known else ()

    def choose(self, name: str, option: Plain | None, path: str, default: Plain) -> Plain:
        """Return the user's value, else the checkpoint's, else the default; note which it was."""
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

    def told(self, name: str, option: Plain | None, found: Plain) -> Plain:
        """Return what the shapes tell; raise InputError for an option that contradicts."""
        if option not in (None, found):
            raise InputError(f'{name}: the tensors of the checkpoint have {found}, not {option}: '
                             'leave the option out')
        self.facts.append(f'{name}: {found} (from the shapes)')
        return found

    def refuse_unsupported(self) -> None:
        """Raise InputError for a setting that changes the mathematics."""
        for path, only in REQUIRED.items():
            value = self.read(path)
            if value is not None and value != only:
                raise InputError(f'the checkpoint was trained with {path} = {value}; this program '
                                 f'supports {only} only')
