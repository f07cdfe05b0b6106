"""The files of ROS 2 bags: opened by their content, whatever their metadata and names say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
import io
from pathlib import Path
import re
import shutil
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, TYPE_CHECKING

from mask3d_core.errors import InputError
from mask3d_core.files.mcap_topics import topics_of_other_encodings

if TYPE_CHECKING:
    from rosbags.rosbag2 import Reader

BAG_SUFFIXES = ('.mcap', '.db3')
ZSTD_SUFFIXES = ('.zstd', '.zst')
MCAP_MAGIC = b'\x89MCAP0\r\n'
SQLITE_MAGIC = b'SQLite format 3\0'
ROS1_MAGIC = b'#ROSBAG V'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
MAX_MCAP_HEADER = 4096
"""Bytes of the first record of an .mcap file, with the names of its profile and its library."""
LISTED_FILE = re.compile(r'^\s*-\s+["\']?([^"\'\n]+?\.(?:mcap|db3)(?:\.zstd|\.zst)?)["\']?\s*$',
                         re.MULTILINE | re.IGNORECASE)
"""In the list `relative_file_paths` of a metadata.yaml."""
ADVICE = {
    'Profile is not ros2': 'its messages are none of ROS 2',
    'Unsupported chunk compression': 'rewrite it with `mcap decompress IN.mcap -o OUT.mcap`',
    'not in timestamp order': 'sort it with `mcap sort IN.mcap -o OUT.mcap`',
    'KeyError': 'some topic has messages of another format (JSON, Protobuf): keep the others with '
                '`mcap filter IN.mcap -o OUT.mcap --include-topic-regex TOPIC`'}
"""What to do, by a part of the error of rosbags."""
MAX_LISTED_TOPICS = 5
ADVICE_ENCODINGS = (
    'record or convert clouds as sensor_msgs/msg/PointCloud2; if they are in another topic, keep '
    'that one with `mcap filter IN.mcap -o OUT.mcap --include-topic-regex TOPIC`')
ADVICE_ROS1 = '; convert a ROS 1 bag with `rosbags-convert --src IN.bag --dst OUT`'
OTHER_FOLDERS = {
    'dataset.json': '; this is a data set, for `mask3d view`, `prepare check`, `train` and '
                    '`evaluate`',
    'instances.npz': '; this is a result of `mask3d segment`: give the .ply in it, or '
                     '`mask3d view` the folder'}
"""What a folder is that is no bag, by a file in it."""
DAMAGED = ('if the recording was interrupted, repair it with `mcap recover IN.mcap -o OUT.mcap`, '
           'or a .db3 with `sqlite3 IN.db3 .recover | sqlite3 OUT.db3`')


def is_bag_file(path: Path) -> bool:
    """Return whether the name is that of a file of a bag, also compressed or in capitals."""
    name = path.name.lower()
    return name.endswith(BAG_SUFFIXES + tuple(
        suffix + packed for suffix in BAG_SUFFIXES for packed in ZSTD_SUFFIXES))


def has_bag_files(folder: Path) -> bool:
    """Return whether a folder has files of a bag, also of ROS 1."""
    return any(is_bag_file(file) or file.suffix.lower() == '.bag' or file.name == 'metadata.yaml'
               for file in folder.iterdir())


def bag_files(path: Path, stack: ExitStack) -> list[Path]:
    """
    Return the files of a bag, in their order; compressed ones are unpacked until the stack ends.

    Those that `metadata.yaml` lists and that exist; if it lists none, all in the folder. What else
    it says is not needed: the files hold their topics themselves.

    Raises
    ------
    InputError
        If there are none.

    """
    files = [path]
    if path.is_dir():
        there = [file for file in path.iterdir() if is_bag_file(file)]
        # The files of a split bag are numbered: bag_9.mcap precedes bag_10.mcap.
        there.sort(key=lambda file: (len(file.name), file.name))
        metadata = path / 'metadata.yaml'
        text = metadata.read_text(errors='replace') if metadata.exists() else ''
        names = list(dict.fromkeys(Path(name).name for name in LISTED_FILE.findall(text)))
        files = [path / name for name in names if path / name in there] or there
        missing = [name for name in names if path / name not in there]
        if not files:
            ros1 = any(file.suffix.lower() == '.bag' for file in path.iterdir())
            hint = next((hint for name, hint in OTHER_FOLDERS.items() if (path / name).exists()),
                        ADVICE_ROS1 if ros1 else '')
            raise InputError('expected a rosbag2 folder with .mcap or .db3 files, got none' + hint)
        if missing and len(names) > len(missing):
            raise InputError(f'{missing[0]}, a file of the bag, is missing: copy it here, or '
                             'open the others one by one')
    return [_unpacked(file, stack) for file in files]


def _unpacked(path: Path, stack: ExitStack) -> Path:
    """Return the file itself, or a temporary one with the content of a compressed one."""
    with path.open('rb') as file:
        if file.read(len(ZSTD_MAGIC)) != ZSTD_MAGIC:
            return path
    folder = stack.enter_context(TemporaryDirectory())
    name = path.stem if path.suffix.lower() in ZSTD_SUFFIXES else path.name
    target = Path(folder, name)
    with bag_errors(), _zstd().open(path, 'rb') as source, target.open('wb') as out:
        shutil.copyfileobj(source, out)
    return target


@contextmanager
def open_bag_file(path: Path) -> Iterator[Reader]:
    """
    Open a file of a bag by rosbags.

    Raises
    ------
    InputError
        For other files, which it names, and damaged ones.

    """
    try:
        from rosbags.rosbag2 import Reader
    except ImportError as error:
        raise InputError('reading bags needs the package rosbags: pip install rosbags') from error
    with path.open('rb') as file:
        begin = file.read(MAX_MCAP_HEADER)
    with ExitStack() as stack:
        source: Any = path
        if begin.startswith(ROS1_MAGIC):
            raise InputError('this is a ROS 1 bag: convert it with '
                             '`rosbags-convert --src IN.bag --dst OUT`')
        if begin.startswith(MCAP_MAGIC):
            source = _mcap(path, begin)
        elif begin.startswith(SQLITE_MAGIC) and path.suffix != '.db3':
            source = _renamed(path, '.db3', stack)
        elif path.suffix not in BAG_SUFFIXES:
            source = _renamed(path, path.suffix.lower(), stack)
        try:
            with bag_errors():
                reader = stack.enter_context(Reader(source))
        except InputError:
            others = topics_of_other_encodings(path) if begin.startswith(MCAP_MAGIC) else []
            if not others:
                raise
            more = len(others) - MAX_LISTED_TOPICS
            raise InputError('expected messages in CDR, the format of ROS 2, got '
                             + ', '.join(others[:MAX_LISTED_TOPICS])
                             + (f' and {more} more topics' if more > 0 else '')
                             + f'; {ADVICE_ENCODINGS}') from None
        yield reader


def _renamed(path: Path, suffix: str, stack: ExitStack) -> Path:
    link = Path(stack.enter_context(TemporaryDirectory()), f'bag{suffix}')
    link.symlink_to(path.absolute())
    return link


class _McapSource:
    """An .mcap file under any name, whose first bytes are replaced; a path for rosbags."""

    suffix = '.mcap'

    def __init__(self, path: Path, begin: bytes) -> None:
        self._path = path
        self._begin = begin

    def exists(self) -> bool:
        return True

    def is_dir(self) -> bool:
        return False

    def open(self, mode: str = 'rb') -> BinaryIO:
        return io.BufferedReader(_Overlay(self._path, self._begin))

    def __str__(self) -> str:
        return str(self._path)


class _Overlay(io.RawIOBase):
    """A file whose first bytes are others."""

    def __init__(self, path: Path, begin: bytes) -> None:
        self._file = path.open('rb', buffering=0)
        self._begin = begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        count = self._file.readinto(buffer) or 0
        replaced = self._begin[start:start + count]
        buffer[:len(replaced)] = replaced
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _mcap(path: Path, begin: bytes) -> Any:
    """Return an .mcap file as rosbags reads it, with the profile ros2 if it has none."""
    profile, library = _mcap_header(begin)
    if profile == b'ros2':
        return path if path.suffix == '.mcap' else _McapSource(path, b'')
    if profile == b'ros1':
        raise InputError('this .mcap has messages of ROS 1: convert the bag that it was made of '
                         'with `rosbags-convert --src IN.bag --dst OUT`')
    if len(profile) + len(library) < len(b'ros2'):
        raise InputError('this .mcap names no profile: rewrite it with '
                         '`mcap recover IN.mcap -o OUT.mcap`')
    rest = len(profile) + len(library) - len(b'ros2')
    header = b'ros2'.join([_size(4), _size(rest)]) + bytes(library[:rest].ljust(rest))
    start = len(MCAP_MAGIC) + 9
    return _McapSource(path, begin[:start] + header)


def _size(count: int) -> bytes:
    return count.to_bytes(4, 'little')


def _mcap_header(begin: bytes) -> tuple[bytes, bytes]:
    """Return profile and library of an .mcap file, as its first record has them."""
    place = len(MCAP_MAGIC) + 9
    found = []
    for _ in range(2):
        count = int.from_bytes(begin[place:place + 4], 'little')
        found.append(begin[place + 4:place + 4 + count])
        if len(found[-1]) < count:
            raise InputError('not a readable ROS 2 bag (its header is cut short); ' + DAMAGED)
        place += 4 + count
    return found[0], found[1]


def unzipped(raw: bytes) -> bytes:
    """Return a serialized message, decompressed if the bag was compressed message by message."""
    # A message in CDR begins with a representation identifier, 00 and 00 to 0b.
    return bytes(_zstd().decompress(raw)) if bytes(raw[:4]) == ZSTD_MAGIC else raw


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd  # type: ignore[no-redef,unused-ignore]
    return zstd


@contextmanager
def bag_errors() -> Iterator[None]:
    """
    Turn every exception of rosbags into an InputError.

    A damaged bag raises its ReaderError, errors of struct, sqlite or zstd, an AssertionError or a
    UnicodeDecodeError; they have no common base class but Exception.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        said = f'{type(error).__name__}: {error}'
        advice = next((advice for words, advice in ADVICE.items() if words in said), DAMAGED)
        raise InputError(f'not a readable ROS 2 bag ({said}); {advice}') from error
