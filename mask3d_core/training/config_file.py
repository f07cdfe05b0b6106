"""Settings from a YAML file and from `--key value`: every key and every type is checked."""

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
"""Values by key; a section is a tree of its own."""


class Word(str):
    """A value as it was typed; what it means depends on the type of its key."""


def read_tree(path: Path) -> Tree:
    """Read a YAML file; raise InputError when it is none, or no table of keys."""
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
    """Raise InputError when a key of a YAML node stands twice; YAML would take the last."""
    if isinstance(node.value, str):
        return
    first: dict[str, Any] = {}
    for entry in node.value:
        key, inner = entry if isinstance(entry, tuple) else (None, entry)
        if key is not None and first.setdefault(str(key.value), key) is not key:
            lines = [mark.start_mark.line + 1 for mark in (first[str(key.value)], key)]
            raise InputError(f'{key.value!r} stands twice in {path}, in the lines {lines[0]} and '
                             f'{lines[1]}: leave one')
        _check_unique(inner, path)


def tree_text(tree: Tree) -> str:
    """Return a tree as YAML."""
    return str(_yaml().safe_dump(tree, sort_keys=False))


def to_tree(settings: Any) -> Tree:
    """Return every value of a dataclass, tuples as lists."""
    return _plain(asdict(settings))


def parse_keys(arguments: Sequence[str]) -> Tree:
    """
    Read `--key value`, `--section.key value` and `--key=value`; values as in YAML.

    Raises
    ------
    InputError
        When a value is missing or stands alone, or a key is given twice.

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
        branch[last] = Word(value)
    return tree


def change(settings: T, tree: Tree, where: str) -> T:
    """
    Return settings with the values of a tree.

    Parameters
    ----------
    settings : dataclass
        Its fields are plain values, tuples of them, or dataclasses of such fields.
    tree : mapping
    where : str
        Where the values came from, for the message.

    Raises
    ------
    InputError
        For an unknown key, with the nearest known one; for a value of the wrong type.

    """
    return _change(settings, tree, where, '', known_keys(type(settings)))


def known_keys(kind: type, prefix: str = '') -> list[str]:
    """Return every key of a dataclass, those of sections with a dot."""
    hints, keys = get_type_hints(kind), []
    for field in fields(kind):
        if is_dataclass(hints[field.name]):
            keys += known_keys(hints[field.name], f'{prefix}{field.name}.')
        else:
            keys.append(prefix + field.name)
    return keys


def _change(settings: T, tree: Tree, where: str, prefix: str, known: list[str]) -> T:
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
            values[key] = _change(getattr(settings, key), dict(value), where, f'{name}.', known)
        else:
            try:
                values[key] = _convert(value, hint)
            except (TypeError, ValueError) as error:
                raise InputError(f'{name} in {where} is {value!r}: expected '
                                 f'{describe(hint)}') from error
    return replace(settings, **values)  # type: ignore[type-var]


def _whole_key(name: str, value: Any) -> str:
    """Return the name of the first value below a key that may be a section."""
    while isinstance(value, Mapping) and value:
        key, value = next(iter(value.items()))
        name = f'{name}.{key}'
    return name


def nearest(key: str, known: Sequence[str]) -> str:
    """Say which known key was probably meant: '; the nearest key is …'."""
    def likeness(name: str) -> tuple[float, float]:
        ours, theirs = (text.split('.')[-1].lower().replace('-', '_') for text in (key, name))
        initials = ''.join(word[0] for word in theirs.split('_') if word)
        whole = difflib.SequenceMatcher(None, key, name).ratio()
        if ours == theirs:
            return 3.0, whole
        if len(ours) > 1 and ours == initials:  # lr
            return 2.0, whole
        words, others = set(ours.split('_')), set(theirs.split('_'))
        part = words >= others or words <= others  # max_epochs, clip
        return max(difflib.SequenceMatcher(None, ours, theirs).ratio(), 0.8 * part), whole

    best = max(known, key=likeness)
    return f'; the nearest key is {best!r}' if likeness(best)[0] > 0.55 else ''


def _convert(value: Any, hint: Any) -> Any:
    """Return a value as its type wants it; raise TypeError or ValueError when it cannot be."""
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(value, Word) and origin is not tuple and hint is not str:
        value = _meaning(value)
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


def _meaning(word: Word) -> Any:
    """Return what YAML makes of a word."""
    yaml = _yaml()
    try:
        return yaml.safe_load(word)
    except yaml.YAMLError as error:
        raise ValueError from error


def _convert_tuple(value: Any, inner: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, Word):
        parts = value.split(',')
        value = _meaning(value) if value.startswith('[') else [Word(p.strip()) for p in parts]
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    kinds = [inner[0]] * len(values) if inner[-1] is Ellipsis else list(inner)
    if len(values) != len(kinds):
        raise ValueError
    return tuple(map(_convert, values, kinds))


def describe(hint: Any) -> str:
    """Return the words for a type: 'a whole number'."""
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
