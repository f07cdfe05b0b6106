"""The table of parameters, its file, and the settings made of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.model import ModelConfig
from mask3d_core.weights.checkpoint import untrained_weights
from mask3d_ros.parameters import Row, SEGMENT_NODE, Settings
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROWS = {row.name: row for row in SEGMENT_NODE}


def values(**changes: Any) -> dict[str, Any]:
    return {row.name: row.default for row in SEGMENT_NODE} | changes


def test_the_file_equals_the_table() -> None:
    file = yaml.safe_load((ROOT / 'config' / 'segment.yaml').read_text())
    assert file == {'/**': {'ros__parameters': values()}}
    for name, value in file['/**']['ros__parameters'].items():
        assert type(value) is type(ROWS[name].default), f'{name}: ROS would refuse the type'


def test_rviz_shows_what_the_node_publishes_and_gets_it_late() -> None:
    displays = yaml.safe_load((ROOT / 'config' / 'segment.rviz').read_text())[
        'Visualization Manager']['Displays']
    topics = {display['Topic']['Value']: display['Topic'] for display in displays
              if 'Topic' in display}
    assert topics.keys() == {'/segment_node/cloud', '/segment_node/markers', '/points'}
    assert {topic['Durability Policy'] for topic in topics.values()} == {'Transient Local'}


def test_the_documentation_names_every_parameter_with_its_default() -> None:
    text = (ROOT / 'docs' / 'node.md').read_text()
    for row in SEGMENT_NODE:
        default = f"`'{row.default}'`" if row.default == '' else f'`{_yaml(row.default)}`'
        assert f'| `{row.name}` | {default} |' in text, f'{row.name} {default}'


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_defaults_are_the_defaults_of_the_extraction() -> None:
    assert Settings.of(values()) == Settings(ExtractSettings(), 0, 0.0)


def test_settings_take_every_live_value() -> None:
    settings = Settings.of(values(
        score_threshold=0.5, top_k=-1, min_points=20, dbscan_eps=0.1, dbscan_min_points=4,
        overlap_threshold=0.7, superpoints=False, track=False, classes=['chair', ''],
        num_queries=30, max_rate=4.0, max_voxels=0))
    assert settings.extract == ExtractSettings(
        0.5, -1, 20, 0.1, 4, 0.7, classes=('chair',), superpoints=False)
    assert settings.num_queries == 30 and settings.min_seconds == 0.25 and not settings.track
    assert settings.max_voxels == 0


def test_each_explains_itself() -> None:
    for row in SEGMENT_NODE:
        descriptor = row.descriptor()
        assert descriptor.description.endswith('.') and descriptor.additional_constraints
    assert ROWS['top_k'].descriptor().integer_range[0].from_value == -1
    assert ROWS['dbscan_eps'].descriptor().floating_point_range[0].to_value == 1000
    assert ROWS['autostart'].descriptor().read_only
    assert 'one of auto, reliable' in ROWS['input_qos'].descriptor().additional_constraints
    assert 'clean up' in ROWS['weights'].descriptor().additional_constraints


def test_settings_are_checked_for_the_weights() -> None:
    classes = ClassTable((1, 2), ('chair', 'table'), ((0, 0, 0), (255, 255, 255)))
    shape = ModelConfig('Res16UNet14A', num_classes=2, num_queries=10, num_rounds=1)
    sampled = untrained_weights(shape, classes)
    Settings.of(values(classes=['table'], num_queries=30)).check_for(sampled)
    with pytest.raises(InputError, match="unknown class 'unicorn'.*chair, table"):
        Settings.of(values(classes=['unicorn'])).check_for(sampled)
    learned = untrained_weights(replace(shape, queries='learned'), classes)
    Settings.of(values(num_queries=10)).check_for(learned)
    with pytest.raises(InputError, match='10 learned queries: expected 0 or 10'):
        Settings.of(values(num_queries=30)).check_for(learned)


@pytest.mark.parametrize(('row', 'value', 'words'), [
    (ROWS['precision'], 'float8', "precision is 'float8', expected one of float32"),
    (ROWS['dbscan_eps'], float('nan'), 'dbscan_eps is nan')])
def test_a_wrong_value_is_refused_with_a_reason(row: Row, value: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        row.check(value)
