"""Failures of a command: the sentence that is printed, and files that fail one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.progress import report
from mask3d_core.stop import Stopped


def describe_failure(error: BaseException) -> str:
    """Return the sentence about an error that a user can do something about."""
    if isinstance(error, MemoryError):
        return 'out of memory: use a smaller scan'
    if isinstance(error, OSError) and error.filename:
        return f'{error.filename}: {error.strerror}'
    return str(error)


class FileFailures:
    """
    The files of one call that failed; the others are processed all the same.

    Parameters
    ----------
    files : sequence of Path
        All files of the call.
    report : callable
        Called at once with the sentence about a failed file, if there are several files.

    Attributes
    ----------
    sentences : dict of Path to str
        Why each failed.

    """

    def __init__(self, files: Sequence[Path], report: Callable[[str], None] = report) -> None:
        self._files, self._report = files, report
        self.sentences: dict[Path, str] = {}

    @contextmanager
    def attempt(self, file: Path) -> Iterator[None]:
        """Process a file in the `with` statement; if that fails, note why."""
        try:
            yield
        except (BrokenPipeError, Stopped):  # the reader of stdout, or the user, has enough
            raise
        except (InputError, OSError, MemoryError) as error:
            sentence = describe_failure(error)
            self.sentences[file] = sentence
            if len(self._files) > 1:
                self._report(sentence if str(file) in sentence else f'{file}: {sentence}')

    def document(self, file: Path) -> dict[str, str]:
        """Return what a JSON document says of a file that failed."""
        return {'file': str(file), 'error': self.sentences[file]}

    def check(self) -> None:
        """Raise InputError if a file failed: with its sentence, or of several with a count."""
        if not self.sentences:
            return
        if len(self._files) == 1:
            raise InputError(*self.sentences.values())
        raise InputError(f'{len(self.sentences)} of {len(self._files)} files failed, see above: '
                         + ', '.join(map(str, self.sentences)))
