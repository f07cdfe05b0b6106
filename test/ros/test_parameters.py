"""The parameter tables, their file and documentation, and the settings of the live ones."""

from dataclasses import replace
import json
from pathlib import Path
import re
from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files.bag import BAG_SUFFIXES
from mask3d_core.files.formats import READERS
from mask3d_core.model import ModelConfig
from mask3d_core.weights.checkpoint import untrained_weights
from mask3d_core.weights.shipped import SCORE_THRESHOLD
from mask3d_ros.map_player import MAP_PLAYER_PARAMETERS
from mask3d_ros.parameters import ParameterSpec
from mask3d_ros.region import Region
from mask3d_ros.segment_parameters import SEGMENT_NODE_PARAMETERS, Settings
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SPECS = {spec.name: spec for spec in SEGMENT_NODE_PARAMETERS}


def values(**changes: Any) -> dict[str, Any]:
    return {spec.name: spec.default for spec in SEGMENT_NODE_PARAMETERS} | changes


def test_segment_yaml_has_the_defaults() -> None:
    file = yaml.safe_load((ROOT / 'config' / 'segment.yaml').read_text())
    assert file == {'/**': {'ros__parameters': values()}}
    for name, value in file['/**']['ros__parameters'].items():
        assert type(value) is type(SPECS[name].default), f'{name}: ROS would refuse the type'


def test_rviz_displays_the_outputs_and_every_kind_of_map() -> None:
    displays = yaml.safe_load((ROOT / 'config' / 'segment.rviz').read_text())[
        'Visualization Manager']['Displays']
    topics = [(display['Topic']['Value'], display['Topic']['Durability Policy'],
               display['Topic']['Reliability Policy']) for display in displays
              if 'Topic' in display]
    assert sorted(topics) == [
        ('/points', 'Transient Local', 'Reliable'),    # shows a map that was published once
        ('/points', 'Volatile', 'Best Effort'),        # compatible with every publisher
        ('/segment_node/cloud', 'Transient Local', 'Reliable'),
        ('/segment_node/markers', 'Transient Local', 'Reliable')]


def test_node_md_lists_every_parameter_with_its_default() -> None:
    text = (ROOT / 'docs' / 'node.md').read_text()
    for spec in (*SEGMENT_NODE_PARAMETERS, *MAP_PLAYER_PARAMETERS):
        default = f"`'{spec.default}'`" if spec.default == '' else f'`{_yaml(spec.default)}`'
        assert f'| `{spec.name}` | {default} |' in text, f'{spec.name} {default}'


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_file_of_map_player_names_every_format_that_is_read() -> None:
    described = next(spec.description for spec in MAP_PLAYER_PARAMETERS if spec.name == 'file')
    named = set(re.findall(r'\.\w+', described))
    assert named == {*READERS, *BAG_SUFFIXES} > {'.ply', '.laz', '.glb', '.mcap'}


def test_defaults_are_those_of_the_post_processing_but_the_scores() -> None:
    assert Settings.of(values(score_threshold=0.0)) == Settings(ExtractSettings(), 0, 0.0)
    assert SPECS['score_threshold'].default == SCORE_THRESHOLD == 0.3


def test_settings_of_every_live_parameter() -> None:
    settings = Settings.of(values(
        score_threshold=0.5, top_k=-1, min_points=20, dbscan_eps=0.1, dbscan_min_points=4,
        overlap_threshold=0.7, superpoints=False, track=False, classes=['chair', ''],
        num_queries=30, max_rate=4.0, max_voxels=0, cloud_voxel=0.05, tile_size=6.0,
        tile_margin=0.5, partial_results=True, roi=[1.0, 2.0, 5.0], roi_frame='base_link',
        max_points=1000, robot_frame='base_footprint', ranking='class'))
    assert settings.extract == ExtractSettings(
        0.5, -1, 20, 0.1, 4, 0.7, classes=('chair',), superpoints=False,
        ranking='class')
    assert settings.num_queries == 30 and settings.min_period == 0.25 and not settings.track
    assert settings.max_voxels == 0 and settings.cloud_voxel == 0.05
    assert (settings.tile_size, settings.tile_margin) == (6.0, 0.5) and settings.partial_results
    assert settings.region == Region((1.0, 2.0, 5.0)) and settings.region_frame == 'base_link'
    assert settings.max_points == 1000 and settings.robot_frame == 'base_footprint'


def test_tf_is_needed_only_for_frames_that_are_used() -> None:
    assert Settings.of(values(roi_frame='base_link')).frames == ()
    assert Settings.of(values(roi_frame='base', roi=[0.0, 0.0, 2.0])).frames == ('base',)
    assert Settings.of(values(robot_frame='robot')).frames == ('robot',)


def test_settings_that_select_the_same_instances() -> None:
    one = Settings.of(values())
    for change in ({'cloud_voxel': 0.1}, {'max_rate': 2.0}, {'partial_results': True},
                   {'robot_frame': 'base_link'}, {'color_by': 'class'}):
        assert Settings.of(values(**change)).same_result(one), change
    for change in ({'tile_size': 4.0}, {'roi': [0.0, 0.0, 1.0]}, {'track': False},
                   {'score_threshold': 0.1}, {'max_points': 9}, {'num_queries': 2},
                   {'ranking': 'class'}):
        assert not Settings.of(values(**change)).same_result(one), change


def test_descriptors() -> None:
    for spec in (*SEGMENT_NODE_PARAMETERS, *MAP_PLAYER_PARAMETERS):
        descriptor = spec.descriptor()
        assert descriptor.description.endswith('.') and descriptor.additional_constraints
    assert SPECS['top_k'].descriptor().integer_range[0].from_value == -1
    assert SPECS['dbscan_eps'].descriptor().floating_point_range[0].to_value == 1000
    assert SPECS['autostart'].descriptor().read_only
    assert 'one of auto, reliable' in SPECS['input_qos'].descriptor().additional_constraints
    assert 'clean up' in SPECS['weights'].descriptor().additional_constraints


def test_settings_are_checked_against_the_weights() -> None:
    classes = ClassTable((1, 2), ('chair', 'table'), ((0, 0, 0), (255, 255, 255)))
    shape = ModelConfig('Res16UNet14A', num_classes=2, num_queries=10, num_rounds=1)
    sampled = untrained_weights(shape, classes)
    Settings.of(values(classes=['table'], num_queries=30)).check_against(sampled)
    assert Settings.of(values()).tiles(sampled) == sampled.tiling
    assert Settings.of(values(tile_size=0.0)).tiles(sampled).size == 0
    cut = Settings.of(values(tile_size=5.0, tile_margin=1.0)).tiles(sampled)
    assert cut == replace(sampled.tiling, size=5.0, margin=1.0)
    with pytest.raises(InputError, match='tile margin of 0 to 5 m'):
        Settings.of(values(tile_size=5.0, tile_margin=6.0)).check_against(sampled)
    with pytest.raises(InputError, match="unknown class 'unicorn'.*chair, table"):
        Settings.of(values(classes=['unicorn'])).check_against(sampled)
    learned = untrained_weights(replace(shape, queries='learned'), classes)
    Settings.of(values(num_queries=10)).check_against(learned)
    with pytest.raises(InputError, match='10 learned queries: expected 0 or 10'):
        Settings.of(values(num_queries=30)).check_against(learned)


@pytest.mark.parametrize(('spec', 'value', 'message'), [
    (SPECS['precision'], 'float8', "precision is 'float8', expected one of float32"),
    (SPECS['dbscan_eps'], float('nan'), 'dbscan_eps is nan')])
def test_an_invalid_value_is_rejected_with_a_reason(
        spec: ParameterSpec, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        spec.check(value)


def test_foxglove_shows_topics_and_panels_that_exist() -> None:
    layout = json.loads((ROOT / 'config' / 'segment.foxglove.json').read_text())
    panels = layout['configById']
    assert panels['3D!segment']['topics'].keys() == {
        '/segment_node/cloud', '/segment_node/markers', '/points'}
    column = layout['layout']['second']
    assert {layout['layout']['first'], column['first'], column['second']} == panels.keys()
