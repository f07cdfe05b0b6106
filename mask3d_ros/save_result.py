"""Write a result to files: the labelled cloud, the list of instances, and a picture."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.drawing.side_by_side import draw_side_by_side
from mask3d_core.errors import InputError
from mask3d_core.files.results import write_instances_json, write_labelled_ply
from mask3d_core.files.source import user_path
from mask3d_core.files.target import check_folder
from mask3d_ros.result import SegmentationResult


def check_save_dir(folder: str) -> None:
    """Raise InputError for an unknown home, or an empty `save_dir`: the working directory."""
    if not folder.strip():
        raise InputError('save_dir is empty, expected a folder, such as ~/.ros/mask3d')
    user_path(folder)


def save_result(folder: Path, result: SegmentationResult) -> list[Path]:
    """
    Write STAMP.ply, STAMP.json and STAMP.png, as `mask3d segment` does, with the ids of the node.

    STAMP are the seconds and nanoseconds of the cloud: 1700000000_000000000.

    Raises
    ------
    InputError
        If the folder cannot be made, or a file cannot be written.

    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'{folder} cannot be made: {error.strerror}') from error
    stamp = result.cloud.header.stamp
    name = f'{stamp.sec}_{stamp.nanosec:09d}'
    paths = [folder / f'{name}{suffix}' for suffix in ('.ply', '.json', '.png')]
    write_labelled_ply(paths[0], result.scan, result.instances, result.ids)
    write_instances_json(paths[1], result.instances, result.ids)
    draw_side_by_side(paths[2], result.scan, result.instances,
                      f'{result.cloud.header.frame_id} {name}', result.ids)
    return paths
