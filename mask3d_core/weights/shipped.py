"""The weights that ship with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_weights() -> Path:
    """
    Return the weights file that is used when none is given.

    A small model for indoor maps, coloured or not, trained on generated rooms; `docs/weights.md`
    says how well it does and how it was made.
    """
    return Path(str(resources.files('mask3d_core'))) / 'weights' / 'rooms.weights'
