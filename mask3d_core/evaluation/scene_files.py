"""Find and read the files of predictions and ground truth, by scene."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.classes import ClassTable
from mask3d_core.data.labels import read_labelled
from mask3d_core.errors import InputError
from mask3d_core.evaluation.ground_truth import read_scannet_truth, Truth, truth_of


def find_predictions(folder: Path) -> dict[str, Path]:
    """
    Return the file with the predictions of each scene, by name.

    It is `NAME/instances.npz` as `mask3d segment -o NAME` writes it, `NAME.npz` with the same
    content, or `NAME.txt` of a benchmark submission.

    Raises
    ------
    InputError
        If there are none, or two files for one scene.

    """
    return _by_name(folder, [*_files(folder, '.npz', '.txt'),
                             *sorted(folder.glob('*/instances.npz'))],
                    'NAME/instances.npz, NAME.npz or NAME.txt')


def find_truth(folder: Path) -> dict[str, Path]:
    """
    Return the file with the ground truth of each scene, by name.

    It is `NAME.txt` as ScanNet's evaluator reads it, or a labelled `NAME.npz` or `NAME.ply`.

    Raises
    ------
    InputError
        If there are none, or two files for one scene.

    """
    return _by_name(folder, _files(folder, '.txt', '.npz', '.ply'),
                    'NAME.txt, NAME.npz or NAME.ply')


def read_truth(path: Path, classes: ClassTable) -> Truth:
    """Read the ground truth of a scene; raise InputError, with its name, for a malformed file."""
    if path.suffix.lower() == '.txt':
        return read_scannet_truth(path, classes)
    return truth_of(read_labelled(path))


def check_complete(wanted: list[str], predictions: dict[str, Path]) -> None:
    """Raise InputError if a scene has no predictions: skipping it would inflate the scores."""
    missing = [name for name in wanted if name not in predictions]
    if missing:
        raise InputError(f'no predictions for {len(missing)} of {len(wanted)} scenes, the first '
                         f'is {missing[0]}: segment them, too, or remove them from the ground '
                         'truth')


def _files(folder: Path, *suffixes: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f'{folder}: expected a folder')
    return sorted(path for path in folder.iterdir()
                  if path.is_file() and path.suffix.lower() in suffixes)


def _by_name(folder: Path, paths: list[Path], layout: str) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in paths:
        name = path.parent.name if path.name == 'instances.npz' else path.stem
        if name in files:
            raise InputError(f'{folder}: {files[name].name} and {path.name} are of one scene')
        files[name] = path
    if not files:
        raise InputError(f'{folder}: expected {layout} for each scene, found none')
    return files
