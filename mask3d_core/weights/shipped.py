"""The weights file that ships with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_weights() -> Path:
    """
    Return the path of the weights file that is used by default.

    A small model for indoor maps with or without colour, trained on generated rooms;
    `docs/weights.md` describes its training and its scores.
    """
    return Path(str(resources.files('mask3d_core'))) / 'weights' / 'rooms.weights'
