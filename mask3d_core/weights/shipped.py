"""The weights file that ships with the package, and the scores that its users are shown."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

SCORE_THRESHOLD = 0.3
"""
Default of the minimum score of an instance in the node, `mask3d segment` and the demo.

With it about three of four instances in held-out generated rooms are on an object
(`docs/weights.md`). `ExtractSettings`, and with it the evaluation, keeps every score.
"""


def shipped_weights() -> Path:
    """
    Return the path of the weights file that is used by default.

    A small model for indoor maps with or without colour, trained on generated rooms;
    `docs/weights.md` describes its training and its scores.
    """
    return Path(str(resources.files('mask3d_core'))) / 'weights' / 'rooms.weights'
