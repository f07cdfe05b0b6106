"""Parameters of the nodes: one table each, and the values the worker computes with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import math
from typing import Any, Literal

from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import EPS_VOXELS, ExtractSettings
from mask3d_core.voxels import MAX_VOXEL_GROWTH
from mask3d_core.weights.checkpoint import Weights
from mask3d_ros.qos import INPUT_QOS
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

When = Literal['live', 'configure', 'start']
CONSTRAINTS: Mapping[When, str] = {
    'live': 'can be changed at any time',
    'configure': 'read at configure: deactivate and clean up the node before changing it',
    'start': 'read once, when the process starts',
}
"""When a parameter takes effect, in words for `ros2 param describe`."""


@dataclass(frozen=True)
class Row:
    """One parameter: its name, default, meaning, range or choices, and when it takes effect."""

    name: str
    default: Any
    description: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    when: When = 'live'

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows."""
        words = [f'one of {", ".join(self.choices)}'] if self.choices else []
        descriptor = ParameterDescriptor(
            description=self.description, read_only=self.when == 'start',
            additional_constraints='; '.join([*words, CONSTRAINTS[self.when]]))
        if self.range and isinstance(self.default, float):
            low, high = self.range
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.range:
            low, high = map(int, self.range)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
        return descriptor

    def check(self, value: Any) -> None:
        """Raise InputError for a value that is none of the choices or not a number."""
        if self.choices and value not in self.choices:
            raise InputError(f'{self.name} is {value!r}, expected one of '
                             + ', '.join(self.choices))
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f'{self.name} is {value}, expected a number')


EXTRACT = ExtractSettings()
BY_VOXELS = -1.0
"""Of `dbscan_eps`: a parameter cannot be None."""
BY_WEIGHTS = -1
"""Of `max_voxels`."""

SEGMENT_NODE: tuple[Row, ...] = (
    Row('weights', '', 'Path of the weights file, which brings the class names and colours, the '
        'voxel size and the colour statistics; empty: the one that ships with the package.',
        when='configure'),
    Row('device', 'auto', 'Where the model runs: auto (a GPU if there is one), cpu, cuda or '
        'cuda:N.', when='configure'),
    Row('precision', 'float32', 'Number format of the network. The short ones are faster on a '
        'GPU.', choices=('float32', 'bfloat16', 'float16'), when='configure'),
    Row('input_qos', 'auto', 'How to subscribe to points. auto takes what the publishers offer, '
        'latched maps as well as sensor streams.', choices=tuple(INPUT_QOS), when='configure'),
    Row('autostart', True, 'Configure and activate the node when the process starts. False under '
        'a lifecycle manager.', when='start'),
    Row('num_queries', 0, 'How many objects the network looks for. Fewer are faster; 0: as many '
        'as in training.', (0, 10_000)),
    Row('max_voxels', BY_WEIGHTS, 'A cloud that fills more voxels is seen with larger ones, up to '
        f'{MAX_VOXEL_GROWTH:g} times: a dense map takes two thirds of the time, and small things '
        'may be missed; 0: none is; -1: as the weights say.', (BY_WEIGHTS, 100_000_000)),
    Row('score_threshold', EXTRACT.score_threshold, 'Instances below this score (class '
        'probability times mean mask probability) are dropped.', (0.0, 1.0)),
    Row('top_k', EXTRACT.top_k, 'How many masks, of the best class probabilities, become '
        'instances; -1: as many as there are queries.', (-1, 100_000)),
    Row('min_points', EXTRACT.min_points, 'Instances of fewer points are dropped.',
        (1, 100_000_000)),
    Row('dbscan_eps', BY_VOXELS, 'Parts of one mask further apart than this, in metres, become '
        'instances of their own; 0: masks are not split; -1: '
        f'{EPS_VOXELS} voxels of the weights.',
        (BY_VOXELS, 1000.0)),
    Row('dbscan_min_points', EXTRACT.dbscan_min_points, 'Neighbours within dbscan_eps, itself '
        'included, that make a point part of a cluster; 1: no point is noise.', (1, 10_000)),
    Row('overlap_threshold', EXTRACT.overlap_threshold or 1.0, 'An instance whose overlap '
        '(intersection over union) with a better one is above this is dropped; 1: none is.',
        (0.0, 1.0)),
    Row('superpoints', EXTRACT.superpoints, 'Masks hold whole superpoints (pieces of surface), so '
        'that they end where objects do; false: as the network sees them, some faster.'),
    Row('track', True, 'What is found again keeps its id, as long as the clouds are of a frame '
        'that stands still (map, odom); false: ids count from 1, best score first, in each.'),
    Row('classes', [''], "Names of the classes to keep, as the weights name them; ['']: all."),
    Row('max_rate', 0.0, 'Clouds per second at most, to leave the device to others; 0: as fast as '
        'it goes.', (0.0, 1000.0)),
)
"""All parameters of `segment_node`; `config/segment.yaml` holds the same defaults."""


@dataclass(frozen=True)
class Settings:
    """The live parameters, checked and replaced together."""

    extract: ExtractSettings
    num_queries: int
    min_seconds: float
    track: bool = True
    max_voxels: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Make settings of the values of `SEGMENT_NODE`'s parameters."""
        overlap, rate = values['overlap_threshold'], values['max_rate']
        eps = values['dbscan_eps']
        extract = ExtractSettings(
            score_threshold=values['score_threshold'], top_k=values['top_k'],
            min_points=values['min_points'], dbscan_eps=None if eps < 0 else eps,
            dbscan_min_points=values['dbscan_min_points'],
            overlap_threshold=None if overlap >= 1 else overlap,
            superpoints=values['superpoints'],
            classes=tuple(name for name in values['classes'] if name))
        most = values['max_voxels']
        return cls(extract, values['num_queries'], 1 / rate if rate else 0.0, values['track'],
                   None if most < 0 else most)

    def check_for(self, weights: Weights) -> None:
        """Raise InputError for settings that some weights cannot follow."""
        weights.classes.rows(self.extract.classes)
        trained = weights.model.num_queries
        if weights.model.queries == 'learned' and self.num_queries not in (0, trained):
            raise InputError(f'num_queries is {self.num_queries}, but these weights have '
                             f'{trained} learned queries: expected 0 or {trained}')


def declare(node: Node, table: Iterable[Row]) -> None:
    """Declare the parameters of a table; rclpy raises ParameterException for a bad override."""
    for row in table:
        node.declare_parameter(row.name, row.default, row.descriptor())


def values(node: Node, table: Iterable[Row]) -> dict[str, Any]:
    """Return the present values of a table's parameters, checked against its choices."""
    present = {row.name: node.get_parameter(row.name).value for row in table}
    for row in table:
        row.check(present[row.name])
    return present
