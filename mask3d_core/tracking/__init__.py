"""Objects of a map over time: data association, belief, motion of the map, and a state file."""

from mask3d_core.tracking.object_map import ObjectMap
from mask3d_core.tracking.tracked_objects import (
    Difference,
    Header,
    ObjectChange,
    Selection,
    TrackedObjects,
    untracked,
)

__all__ = ['Difference', 'Header', 'ObjectChange', 'ObjectMap', 'Selection', 'TrackedObjects',
           'untracked']
