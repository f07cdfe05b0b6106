"""Read settings from YAML and `--key value` into dataclasses, with checked keys and types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
import difflib
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, TypeVar, Union

from mask3d_core.errors import InputError

T = TypeVar('T')
Tree = dict[str, Any]
"""Nested values by key; a section is a tree of its own."""


class RawValue(str):
    """A value from the command line, not yet parsed: how to depends on the type of its key."""


def read_tree(path: Path) -> Tree:
    """Read a YAML file; raise InputError if it cannot be read or is not a mapping."""
    yaml = _yaml()
    try:
        text = path.read_text()
        tree = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f'the configuration {path} cannot be read: {error.strerror}') from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f'the configuration {path} cannot be read: {error}') from error
    if not isinstance(tree, dict):
        raise InputError(f'expected `key: value` lines in {path}, got {type(tree).__name__}')
    _check_unique(yaml.compose(text, Loader=yaml.SafeLoader), path)
    return tree


def _check_unique(node: Any, path: Path) -> None:
    """Raise InputError for a duplicate key in a YAML node; PyYAML would take the last."""
    if isinstance(node.value, str):
        return
    first: dict[str, Any] = {}
    for entry in node.value:
        key, inner = entry if isinstance(entry, tuple) else (None, entry)
        if key is not None and first.setdefault(str(key.value), key) is not key:
            lines = [mark.start_mark.line + 1 for mark in (first[str(key.value)], key)]
            raise InputError(f'duplicate key {key.value!r} in {path}, in the lines {lines[0]} and '
                             f'{lines[1]}: keep one')
        _check_unique(inner, path)


def tree_text(tree: Tree) -> str:
    """Format a tree as YAML."""
    return str(_yaml().safe_dump(tree, sort_keys=False))


def to_tree(settings: Any) -> Tree:
    """Return a dataclass as a tree; tuples become lists."""
    return _plain(asdict(settings))


def parse_keys(arguments: Sequence[str]) -> Tree:
    """
    Parse `--key value`, `--section.key value` and `--key=value`; values are written as in YAML.

    Raises
    ------
    InputError
        If a key or a value is missing, or a key is given twice.

    """
    tree: Tree = {}
    given: set[str] = set()
    words = iter(arguments)
    for word in words:
        if not word.startswith('--'):
            raise InputError(f'expected --key before {word!r}')
        key, equals, text = word[2:].partition('=')
        value = text if equals else next(words, None)
        if value is None or not equals and value.startswith('--'):
            raise InputError(f'--{key} has no value: give `--{key} VALUE`')
        if key in given:
            raise InputError(f'--{key} is given twice')
        given.add(key)
        *sections, last = key.replace('-', '_').split('.')
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
            if not isinstance(branch, dict):
                raise InputError(f'--{key} is below --{section}, which is given a value')
        branch[last] = RawValue(value)
    return tree


def merge(settings: T, tree: Tree, where: str) -> T:
    """
    Return settings, updated with the values of a tree.

    Parameters
    ----------
    settings : dataclass
        Its fields are scalars, strings, tuples of these, or dataclasses of such fields.
    tree : mapping
    where : str
        Source of the values, for error messages.

    Raises
    ------
    InputError
        For an unknown key (the message suggests the closest one) and a value of a wrong type.

    """
    return _merge(settings, tree, where, '', known_keys(type(settings)))


def known_keys(kind: type, prefix: str = '') -> list[str]:
    """Return all keys of a dataclass, with dotted names for those in sections."""
    hints, keys = get_type_hints(kind), []
    for field in fields(kind):
        if is_dataclass(hints[field.name]):
            keys += known_keys(hints[field.name], f'{prefix}{field.name}.')
        else:
            keys.append(prefix + field.name)
    return keys


def _merge(settings: T, tree: Tree, where: str, prefix: str, known: list[str]) -> T:
    hints = get_type_hints(type(settings))
    values = {}
    for key, value in tree.items():
        name = f'{prefix}{key}'
        plain = key in hints and not is_dataclass(hints[key])
        if key not in hints or plain and isinstance(value, Mapping) and value:
            name = _whole_key(name, value)
            raise InputError(f'unknown key {name!r} in {where}' + nearest(name, known))
        hint = hints[key]
        if isinstance(hint, type) and is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise InputError(f'{name} in {where} is a section: expected keys below it, such '
                                 f'as {known_keys(hint, f"{name}.")[0]}, got {value!r}')
            values[key] = _merge(getattr(settings, key), dict(value), where, f'{name}.', known)
        else:
            try:
                values[key] = _convert(value, hint)
            except (TypeError, ValueError) as error:
                raise InputError(f'{name} in {where} is {value!r}: expected '
                                 f'{describe(hint)}') from error
    return replace(settings, **values)  # type: ignore[type-var]


def _whole_key(name: str, value: Any) -> str:
    """Return the full dotted name of the first value below a key."""
    while isinstance(value, Mapping) and value:
        key, value = next(iter(value.items()))
        name = f'{name}.{key}'
    return name


def nearest(key: str, known: Sequence[str]) -> str:
    """Suggest the key that was probably meant: '; the nearest key is …'."""
    def similarity(name: str) -> tuple[float, float]:
        ours, theirs = (text.split('.')[-1].lower().replace('-', '_') for text in (key, name))
        initials = ''.join(word[0] for word in theirs.split('_') if word)
        whole = difflib.SequenceMatcher(None, key, name).ratio()
        if ours == theirs:
            return 3.0, whole
        if len(ours) > 1 and ours == initials:  # lr: learning_rate
            return 2.0, whole
        words, others = set(ours.split('_')), set(theirs.split('_'))
        part = words >= others or words <= others  # max_epochs: epochs
        return max(difflib.SequenceMatcher(None, ours, theirs).ratio(), 0.8 * part), whole

    best = max(known, key=similarity)
    return f'; the nearest key is {best!r}' if similarity(best)[0] > 0.55 else ''


def _convert(value: Any, hint: Any) -> Any:
    """Convert a value to the type of its key; raise TypeError or ValueError if it does not fit."""
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(value, RawValue) and origin is not tuple and hint is not str:
        value = _parse(value)
    if origin in (Union, UnionType):
        if value is None and type(None) in inner:
            return None
        return _convert(value, next(kind for kind in inner if kind is not type(None)))
    if origin is tuple:
        return _convert_tuple(value, inner)
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return float(value)  # YAML 1.1 reads 1e-4 as text
    if not isinstance(value, hint) or hint is int and isinstance(value, bool):
        raise TypeError
    return str(value) if hint is str else value


def _parse(word: RawValue) -> Any:
    """Parse a command line value as YAML."""
    yaml = _yaml()
    try:
        return yaml.safe_load(word)
    except yaml.YAMLError as error:
        raise ValueError from error


def _convert_tuple(value: Any, inner: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, RawValue):
        parts = value.split(',')
        value = _parse(value) if value.startswith('[') else [RawValue(p.strip()) for p in parts]
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    kinds = [inner[0]] * len(values) if inner[-1] is Ellipsis else list(inner)
    if len(values) != len(kinds):
        raise ValueError
    return tuple(map(_convert, values, kinds))


def describe(hint: Any) -> str:
    """Describe a type in an error message: 'a whole number'."""
    words = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return ' or '.join('nothing' if kind is type(None) else describe(kind) for kind in inner)
    if origin is tuple:
        count = 'a list' if inner[-1] is Ellipsis else f'{len(inner)} in a list'
        return f'{count}, each {describe(inner[0])}'
    return words.get(hint, str(hint))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise InputError('training needs PyYAML: pip install pyyaml lightning-fabric tensorboard'
                         ) from error
    return yaml


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value
