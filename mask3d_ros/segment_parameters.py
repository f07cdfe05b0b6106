"""The parameters of `segment_node`, and the settings of the live ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mask3d_core.conventions import parse_unit
from mask3d_core.device import find_device
from mask3d_core.engines import AUTO, ENGINES
from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import EPS_VOXELS, ExtractSettings, RANKINGS
from mask3d_core.scan import MAX_INPUT_SIZE
from mask3d_core.tiling.settings import MAX_STRETCH, TileSettings
from mask3d_core.tracking.tracker import MAX_MISSES
from mask3d_core.voxels import MAX_VOXEL_GROWTH
from mask3d_core.weights.checkpoint import Weights
from mask3d_core.weights.shipped import SCORE_THRESHOLD
from mask3d_ros.parameters import ParameterSpec
from mask3d_ros.qos import INPUT_QOS
from mask3d_ros.region import NO_REGION, Region
from mask3d_ros.save_result import check_save_dir

EXTRACT_DEFAULTS = ExtractSettings()
EPS_FROM_VOXEL_SIZE = -1.0
"""Value of `dbscan_eps` that stands for None, which a parameter cannot be."""
MAX_VOXELS_FROM_WEIGHTS = -1
"""Value of `max_voxels` that stands for None."""
TILES_FROM_WEIGHTS = -1.0
"""Value of `tile_size` and `tile_margin` that stands for None."""
COLOR_BY = ('instance', 'class')

SEGMENT_NODE_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        'weights', '', 'Path of the weights file, which also holds the class table, the voxel '
        'size and the colour statistics; empty: the weights that ship with the package.',
        takes_effect='configure'),
    ParameterSpec(
        'device', 'auto', 'Device of the model: auto (a GPU if available), cpu, cuda or cuda:N.',
        takes_effect='configure', check_value=find_device),
    ParameterSpec(
        'precision', 'float32', 'Floating-point type of the U-Net; the decoder uses float32. '
        '16-bit types are faster on a GPU.', choices=('float32', 'bfloat16', 'float16'),
        takes_effect='configure'),
    ParameterSpec(
        'engine', AUTO, 'What runs the network: torch, onnxruntime or minkowski, which must be '
        'installed. auto: onnxruntime for weights that are an ONNX file, torch for all others.',
        choices=(AUTO, *ENGINES), takes_effect='configure'),
    ParameterSpec(
        'input_qos', 'auto', 'QoS of the subscriptions to points. auto matches the publishers: '
        'latched maps as well as sensor streams.', choices=tuple(INPUT_QOS),
        takes_effect='configure'),
    ParameterSpec(
        'input_unit', 'm', 'Unit of the coordinates of the clouds: m, dm, cm, mm, ft, in, or its '
        'metres, such as 0.1. Results are in metres.', takes_effect='configure',
        check_value=parse_unit),
    ParameterSpec(
        'autostart', True, 'Configure and activate the node when the process starts; false: a '
        'lifecycle manager does it.', takes_effect='start'),
    ParameterSpec(
        'num_queries', 0, 'Number of queries of the decoder for each tile; each predicts one '
        'mask. Fewer are faster; 0: the number used in training.', (0, 10_000)),
    ParameterSpec(
        'max_voxels', MAX_VOXELS_FROM_WEIGHTS, 'A tile with more voxels than this gets larger '
        f'voxels, up to {MAX_VOXEL_GROWTH:g} times the size: a dense map takes two thirds of the '
        'time, but small objects may be missed; 0: no limit; -1: the value in the weights.',
        (MAX_VOXELS_FROM_WEIGHTS, 100_000_000)),
    ParameterSpec(
        'score_threshold', SCORE_THRESHOLD, 'Instances with a score (docs/model.md) '
        'below this are discarded; with track, an object stays until its '
        'smoothed score is below half of it. 0: none is discarded.', (0.0, 1.0)),
    ParameterSpec(
        'ranking', EXTRACT_DEFAULTS.ranking, 'How instances are scored: by the objectness of the '
        'voxels in the mask, or by the class probability (eq. 7 of the paper), which weights '
        'without votes always use.',
        choices=RANKINGS),
    ParameterSpec(
        'top_k', EXTRACT_DEFAULTS.top_k, 'Number of instances kept of each tile, those with '
        'the highest scores, after duplicates are removed; -1: all.', (-1, 100_000)),
    ParameterSpec(
        'min_points', EXTRACT_DEFAULTS.min_points, 'Instances with fewer points are discarded.',
        (1, 100_000_000)),
    ParameterSpec(
        'dbscan_eps', EPS_FROM_VOXEL_SIZE, 'DBSCAN eps in metres: parts of a mask further apart '
        'become separate instances; 0: masks are not split; -1: '
        f'{EPS_VOXELS} times the voxel size of the weights.', (EPS_FROM_VOXEL_SIZE, 1000.0)),
    ParameterSpec(
        'dbscan_min_points', EXTRACT_DEFAULTS.dbscan_min_points, 'DBSCAN min_points: voxels '
        'within dbscan_eps, itself included, that make a voxel a core point; 1: no voxel is '
        'noise.', (1, 10_000)),
    ParameterSpec(
        'overlap_threshold', EXTRACT_DEFAULTS.overlap_threshold or 1.0, 'Non-maximum '
        'suppression: an instance whose IoU with one of higher score is above this is '
        'discarded; 1: none is.', (0.0, 1.0)),
    ParameterSpec(
        'superpoints', EXTRACT_DEFAULTS.superpoints, 'Masks consist of whole superpoints (small '
        'pieces of surface), so that they end at object boundaries; false: masks as predicted '
        'for voxels, slightly faster.'),
    ParameterSpec(
        'track', True, 'An object that is detected again keeps its id; needs clouds in a fixed '
        'frame (map, odom). false: ids count from 1 in each cloud, in descending order of score.'),
    ParameterSpec(
        'max_misses', MAX_MISSES, 'With track: an object is forgotten after so many maps that '
        'show its place empty.', (1, 1_000_000)),
    ParameterSpec(
        'state_file', '', 'With track: path of the file that keeps objects and ids over restarts '
        'of the node; it is made if missing. No other node may use it. Empty: they are lost.',
        takes_effect='configure'),
    ParameterSpec(
        'classes', [''], "Names of the classes to keep, as in the weights; ['']: all. Empty "
        'names beside others are ignored.'),
    ParameterSpec(
        'cloud_voxel', 0.0, 'Voxel size in metres to which ~/cloud is thinned: it has the first '
        'point in each voxel, and height 1; 0: every point, in the layout of the input.',
        (0.0, 1000.0)),
    ParameterSpec(
        'color_by', COLOR_BY[0], 'What the colours of the markers and of ~/cloud tell apart: '
        'instances, whose colours follow from their ids, or classes, as in the class table.',
        choices=COLOR_BY),
    ParameterSpec(
        'tile_size', TILES_FROM_WEIGHTS, 'Size in metres of the tiles that a larger map is cut '
        f'into; a room or a map up to {MAX_STRETCH:g} times as long is one tile. 0: maps are not '
        'cut; -1: as in the weights.', (TILES_FROM_WEIGHTS, 100_000.0)),
    ParameterSpec(
        'tile_margin', TILES_FROM_WEIGHTS, 'Overlap of neighboring tiles in metres, at most '
        'tile_size; -1: as in the weights.', (TILES_FROM_WEIGHTS, 100_000.0)),
    ParameterSpec(
        'partial_results', False, 'Publish after each segmented tile what is known by then; '
        'false: one result per map.'),
    ParameterSpec(
        'roi', list(NO_REGION), 'Region of interest: tiles without points in it are not '
        'segmented. [x, y, radius] or [xmin, ymin, zmin, xmax, ymax, zmax], metres, in roi_frame; '
        'a radius of 0: the whole map.'),
    ParameterSpec(
        'roi_frame', '', 'tf frame of roi, such as base_link; empty: the frame of the map.'),
    ParameterSpec(
        'max_points', 0, 'Maximum number of points in the tiles that are segmented per map; '
        'other tiles wait for the next map. 0: no limit.', (0, MAX_INPUT_SIZE)),
    ParameterSpec(
        'robot_frame', '', 'tf frame of the robot: of the tiles that changed, the nearest is '
        'segmented first; empty: the order does not depend on the robot.'),
    ParameterSpec(
        'target_frame', '', 'tf frame that clouds are transformed into, with z up, such as map; '
        'results are in it. empty: clouds stay in their frame.'),
    ParameterSpec(
        'save_dir', '~/.ros/mask3d', 'Folder into which the service ~/save writes; made when '
        'missing. Not empty; a path that starts with neither / nor ~ is one in the working '
        'directory of the node.', check_value=check_save_dir),
    ParameterSpec(
        'max_rate', 0.0, 'Maximum number of clouds per second, to leave computing time to other '
        'processes; 0: no limit.', (0.0, 1000.0)),
    ParameterSpec(
        'warn_latency', 10.0, 'Seconds that a result may take before /diagnostics reports WARN; '
        '0: never.', (0.0, 100_000.0)),
    ParameterSpec(
        'stale_after', 0.0, 'Seconds without a result after which /diagnostics reports STALE, '
        'while an output has a subscriber; 0: never, as latched maps come once.',
        (0.0, 1_000_000.0)),
    ParameterSpec(
        'debug_topics', False, 'Publish the time of each stage of each result in milliseconds on '
        '~/debug/<stage>_ms.'),
)
"""All parameters of `segment_node`; `config/segment.yaml` holds the same defaults."""


@dataclass(frozen=True)
class Settings:
    """
    The values of the live parameters; immutable, so that a change replaces all at once.

    Attributes
    ----------
    extract : ExtractSettings
        Settings of the post-processing.
    num_queries : int
        0 for the number used in training.
    min_period : float
        Minimum time between the starts of two segmentations, seconds: 1 / `max_rate`.
    track : bool
    max_voxels : int or None
        None for the value in the weights.
    cloud_voxel : float
        Voxel size to which the labelled cloud is thinned, metres; 0: not at all.
    tile_size, tile_margin : float or None
        Metres; None for the value in the weights.
    partial_results : bool
        Whether a result is published after each tile.
    region : Region or None
        Tiles without points in it are not segmented; None: the region is the whole map.
    region_frame : str
        tf frame of the region; '': that of the map.
    max_points : int
        In the tiles that are segmented per map; 0: no limit.
    robot_frame : str
        tf frame of the robot; '': unknown.
    max_misses : int
        Maps that show the place of an object empty after which it is forgotten.
    color_by : str
        One of `COLOR_BY`.
    target_frame : str
        tf frame that clouds are transformed into; '': they stay in their own.

    """

    extract: ExtractSettings
    num_queries: int
    min_period: float
    track: bool = True
    max_voxels: int | None = None
    cloud_voxel: float = 0.0
    tile_size: float | None = None
    tile_margin: float | None = None
    partial_results: bool = False
    region: Region | None = None
    region_frame: str = ''
    max_points: int = 0
    robot_frame: str = ''
    max_misses: int = MAX_MISSES
    color_by: str = COLOR_BY[0]
    target_frame: str = ''

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Make settings from the values of `SEGMENT_NODE_PARAMETERS`."""
        overlap, rate = values['overlap_threshold'], values['max_rate']
        eps, max_voxels = values['dbscan_eps'], values['max_voxels']
        extract = ExtractSettings(
            score_threshold=values['score_threshold'], ranking=values['ranking'],
            top_k=values['top_k'], min_points=values['min_points'],
            dbscan_eps=None if eps < 0 else eps,
            dbscan_min_points=values['dbscan_min_points'],
            overlap_threshold=None if overlap >= 1 else overlap,
            superpoints=values['superpoints'],
            classes=tuple(name for name in values['classes'] if name))
        size, margin = (None if values[name] < 0 else values[name]
                        for name in ('tile_size', 'tile_margin'))
        return cls(extract, values['num_queries'], 1 / rate if rate else 0.0, values['track'],
                   None if max_voxels < 0 else max_voxels, values['cloud_voxel'], size, margin,
                   values['partial_results'], Region.of(values['roi']), values['roi_frame'],
                   values['max_points'], values['robot_frame'], values['max_misses'],
                   values['color_by'], values['target_frame'].lstrip('/'))

    @property
    def frames(self) -> tuple[str, ...]:
        """The tf frames that are needed; none without parameters that name one."""
        region = self.region_frame if self.region is not None else ''
        return tuple(frame for frame in (region, self.robot_frame, self.target_frame) if frame)

    def tiles(self, weights: Weights) -> TileSettings:
        """Return how maps are cut; raise InputError for a margin larger than a tile."""
        return weights.with_tiles(self.tile_size, self.tile_margin).tiling

    def same_result(self, other: Settings) -> bool:
        """Return whether the instances and ids of a cloud are the same with other settings."""
        return replace(
            self, min_period=other.min_period, cloud_voxel=other.cloud_voxel,
            partial_results=other.partial_results, robot_frame=other.robot_frame,
            color_by=other.color_by) == other

    def check_against(self, weights: Weights) -> None:
        """Raise InputError for settings that these weights do not support."""
        try:
            weights.classes.rows(self.extract.classes)
        except InputError as error:
            raise InputError(f'classes has an {error}') from error
        self.tiles(weights)
        trained = weights.model.num_queries
        if weights.model.queries == 'learned' and self.num_queries not in (0, trained):
            raise InputError(f'num_queries is {self.num_queries}, but these weights have '
                             f'{trained} learned queries: expected 0 or {trained}')
