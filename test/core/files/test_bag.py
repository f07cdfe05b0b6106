"""ROS 2 bags: real ones, and small ones generated here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
import re
import shutil
import struct
import sys
import time
from typing import Any

from mask3d_core.cli import main
from mask3d_core.errors import InputError
from mask3d_core.files import decode_pointcloud2
from mask3d_core.files.bag import bag_topics, cloud_topics, read_bag, read_clouds, Topic
from mask3d_core.scan_checks import find_doubts
import numpy as np
import pytest
from shared import find_shared

rosbag2 = pytest.importorskip('rosbags.rosbag2', reason='needs the extra bags')
typesys = pytest.importorskip('rosbags.typesys')

KINECT = 'data/bags/kinect_tabletop_ros2_mcap_zstd'
LIDAR = 'data/bags/lidar_xyzirt_1msg_db3'
XYZ = np.arange(24, dtype=np.float32).reshape(8, 3)


def bag(path: Path, storage: str, topics: dict[str, int], bare: bool = False,
        sizes: Sequence[int] = (), version: int = 9, **options: Any) -> Path:
    """
    Record that many clouds on each topic, cloud i shifted by i metres and stamped i.5 s.

    They have 8 points each, or as many as `sizes` says; from `empty_from` on these are NaN.
    """
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    types = store.types
    plugin = getattr(rosbag2.StoragePlugin, storage)
    writer = rosbag2.Writer(path, version=version, storage_plugin=plugin)
    if 'compression' in options:
        writer.set_compression(options['compression'], rosbag2.CompressionFormat.ZSTD)
    with writer:
        text = 'std_msgs/msg/String'
        chatter = writer.add_connection('/chatter', text, typestore=store)
        writer.write(chatter, 0, store.serialize_cdr(types[text](data='hello'), text))
        name = 'sensor_msgs/msg/PointCloud2'
        for topic, count in topics.items():
            connection = writer.add_connection(topic, name, typestore=store)
            for index in range(count):
                xyz = (np.resize(XYZ, (sizes[index], 3)) if sizes else XYZ) + np.float32(index)
                if index >= options.get('empty_from', count):
                    xyz[:] = np.nan
                stamp = types['builtin_interfaces/msg/Time'](sec=index, nanosec=500_000_000)
                cloud = types[name](
                    header=types['std_msgs/msg/Header'](stamp=stamp, frame_id=topic.strip('/')),
                    height=1, width=len(xyz), is_bigendian=False, point_step=12, row_step=96,
                    fields=[types['sensor_msgs/msg/PointField'](axis, 4 * place, 7, 1)
                            for place, axis in enumerate('xyz')],
                    data=np.frombuffer(xyz.tobytes(), np.uint8), is_dense=True)
                writer.write(connection, 1 + index, store.serialize_cdr(cloud, name))
    if bare:
        (path / 'metadata.yaml').unlink()
    return path


def check_kinect(path: Path) -> None:
    """Check the organized cloud of the Kinect."""
    assert cloud_topics(path) == {'/camera/depth_registered/points': 1}
    scan = read_bag(path)
    assert (len(scan), scan.input_size) == (233301, 307200)
    assert scan.color is not None
    np.testing.assert_allclose(scan.color.mean(axis=0), [0.566, 0.558, 0.532], atol=2e-3)
    assert 0.69 < scan.xyz[:, 2].min() and scan.xyz[:, 2].max() < 1.66


def test_kinect_zstd_mcap() -> None:
    check_kinect(find_shared(KINECT))
    check_kinect(find_shared(KINECT) / 'kinect_tabletop_ros2_mcap_zstd.mcap')


def test_kinect_message_decodes_fast() -> None:
    [(stamp, frame, message)] = read_clouds(find_shared(KINECT))
    assert stamp == pytest.approx(1527473951.98078, abs=1e-4)
    assert frame == 'camera_rgb_optical_frame' and message.point_step == 32
    times = []
    for _ in range(5):
        start = time.process_time()
        decode_pointcloud2(message)
        times.append(time.process_time() - start)
    assert min(times) < 0.1  # 3 ms on an idle machine; a loop over points would take seconds


def test_lidar_db3() -> None:
    for path in (find_shared(LIDAR), find_shared(LIDAR) / 'lidar_xyzirt_1msg_db3.db3'):
        assert cloud_topics(path) == {'/lidar/points': 1}
        scan = read_bag(path, '/lidar/points')
        assert len(scan) == scan.input_size == 64000 and scan.color is None
        [(_, frame, message)] = read_clouds(path)
        assert frame == 'lidar_link' and message.point_step == 26


def test_a_folder_without_metadata(tmp_path: Path) -> None:
    shutil.copy(find_shared(KINECT) / 'kinect_tabletop_ros2_mcap_zstd.mcap', tmp_path)
    check_kinect(tmp_path)


@pytest.mark.parametrize('storage', ['MCAP', 'SQLITE3'])
@pytest.mark.parametrize('bare', [False, True])
def test_the_last_cloud_of_a_topic(tmp_path: Path, storage: str, bare: bool) -> None:
    path = bag(tmp_path / 'bag', storage, {'/map': 3, '/scan': 2, '/silent': 0}, bare)
    topics = {'/map': 3, '/scan': 2, '/silent': 0}
    assert cloud_topics(path) == topics
    np.testing.assert_array_equal(read_bag(path, '/map').xyz, XYZ + 2)
    np.testing.assert_array_equal(read_bag(path, '/scan').xyz, XYZ + 1)
    assert [(stamp, frame, decode_pointcloud2(message).xyz[0, 0])
            for stamp, frame, message in read_clouds(path, '/map')] == [
                (0.5, 'map', 0), (1.5, 'map', 1), (2.5, 'map', 2)]
    for topic, words in ((None, '/map (3 messages), /scan (2 messages)'), ('/silent', 'no messag'),
                         ('/chatter', "no PointCloud2 topic '/chatter'"), ('/x', '/scan (2 mes')):
        with pytest.raises(InputError) as raised:
            read_bag(path, topic)
        assert words in str(raised.value) and f'{path}: ' in str(raised.value)


def test_info_lists_a_topic_without_messages(tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['info', str(bag(tmp_path / 'bag', 'MCAP', {'/silent': 0}))]) == 0
    said = capsys.readouterr().out
    assert '/silent (0 clouds)' in said and 'last cloud' not in said


def test_a_split_bag_in_order(tmp_path: Path) -> None:
    for part, count in ((9, 1), (10, 2)):
        recorded = bag(tmp_path / f'part{part}', 'MCAP', {'/map': count})
        (tmp_path / 'split').mkdir(exist_ok=True)
        next(recorded.glob('*.mcap')).rename(tmp_path / 'split' / f'bag_{part}.mcap')
    assert cloud_topics(tmp_path / 'split') == {'/map': 3}
    stamps = [stamp for stamp, _, _ in read_clouds(tmp_path / 'split')]
    assert stamps == [0.5, 0.5, 1.5]
    np.testing.assert_array_equal(read_bag(tmp_path / 'split').xyz, XYZ + 1)


def test_damaged_bags_are_named_in_the_error(tmp_path: Path) -> None:
    recorded = bag(tmp_path / 'bag', 'MCAP', {'/map': 2})
    content = next(recorded.glob('*.mcap')).read_bytes()
    for size in range(0, len(content), len(content) // 40):
        (tmp_path / 'cut.mcap').write_bytes(content[:size])
        with pytest.raises(InputError, match='cut.mcap: '):
            read_bag(tmp_path / 'cut.mcap')
    for name in ('text.mcap', 'text.db3'):
        (tmp_path / name).write_text('no bag at all, only some text ' * 20)
        with pytest.raises(InputError, match=f'{name}: not a readable'):
            read_bag(tmp_path / name)
    with pytest.raises(InputError, match='none.mcap: '):
        read_bag(tmp_path / 'none.mcap')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match='with .mcap or .db3 files, got none'):
        read_bag(tmp_path / 'empty')
    (recorded / 'metadata.yaml').write_text('version: [')
    assert len(read_bag(recorded)) == 8  # the files tell all that is needed


def test_no_cloud_topic(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='the bag has none'):
        read_bag(bag(tmp_path / 'bag', 'SQLITE3', {}))


def test_without_rosbags_the_error_says_what_to_install(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bag(tmp_path / 'bag', 'MCAP', {'/map': 1})
    monkeypatch.setitem(sys.modules, 'rosbags.rosbag2', None)
    with pytest.raises(InputError, match=r'pip install rosbags'):
        read_bag(path)


Damage = Callable[[Path], object]


def metadata(old: str, new: str) -> Damage:
    """Return a change of metadata.yaml by a regular expression."""
    def change(recorded: Path) -> None:
        path = recorded / 'metadata.yaml'
        text, count = re.subn(old, new, path.read_text())
        assert count, f'{old} is not in the metadata'
        path.write_text(text)
    return change


def renamed(suffix: str) -> Damage:
    """Return a change of the names of the files, without metadata."""
    def change(recorded: Path) -> None:
        (recorded / 'metadata.yaml').unlink()
        for file in recorded.iterdir():
            file.rename(file.with_suffix(suffix or file.suffix.upper()))
    return change


@pytest.mark.parametrize('storage', ['MCAP', 'SQLITE3'])
@pytest.mark.parametrize('damage', [
    metadata('storage_identifier: .*', "storage_identifier: ''"),
    metadata('storage_identifier: .*', 'storage_identifier: other'),
    metadata('storage_identifier: .*', 'storage_identifier: my_plugin'),
    metadata(r'version: \d+', 'version: 10'), metadata(r'version: \d+', 'version: 1'),
    metadata(r'serialization_format: cdr', "serialization_format: ''"),
    metadata(r'message_count: \d+', 'message_count: 0'), metadata('path: .*', 'path: gone'),
    metadata(r'- (\S+\.(mcap|db3))', r'- /home/me/\1'), renamed('')],
    ids=['empty', 'other', 'plugin', 'v10', 'v1', 'format', 'count', 'path', 'absolute',
         'capital'])
def test_the_files_tell_what_the_metadata_do_not(tmp_path: Path, storage: str, damage: Damage,
                                                 ) -> None:
    recorded = bag(tmp_path / 'bag', storage, {'/map': 2})
    damage(recorded)
    np.testing.assert_array_equal(read_bag(recorded).xyz, XYZ + 1)
    [file] = [file for file in recorded.iterdir() if file.suffix != '.yaml']
    np.testing.assert_array_equal(read_bag(file).xyz, XYZ + 1)


@pytest.mark.parametrize('version', [8, 9])
@pytest.mark.parametrize('storage', ['MCAP', 'SQLITE3'])
@pytest.mark.parametrize('mode', ['FILE', 'MESSAGE', 'STORAGE'])
@pytest.mark.parametrize('bare', [False, True])
def test_compressed_bags(tmp_path: Path, version: int, storage: str, mode: str, bare: bool,
                         ) -> None:
    if (mode == 'STORAGE') != (storage == 'MCAP') and mode != 'MESSAGE':
        pytest.skip('rosbags does not write it')
    try:
        recorded = bag(tmp_path / 'bag', storage, {'/map': 2}, bare, version=version,
                       compression=rosbag2.CompressionMode[mode])
    except rosbag2.WriterError:
        pytest.skip('rosbags does not write it')
    np.testing.assert_array_equal(read_bag(recorded).xyz, XYZ + 1)


def header(profile: bytes, library: bytes) -> bytes:
    """Return the first record of an .mcap file, with the bytes before it."""
    content = b''.join(len(text).to_bytes(4, 'little') + text for text in (profile, library))
    return b'\x89MCAP0\r\n\x01' + len(content).to_bytes(8, 'little') + content


def test_mcap_without_a_profile_and_of_ros_1(tmp_path: Path) -> None:
    file = next(bag(tmp_path / 'bag', 'MCAP', {'/map': 2}).glob('*.mcap'))
    content = file.read_bytes()
    length = int.from_bytes(content[21 + 4:21 + 8], 'little')
    old = header(b'ros2', content[29:29 + length])
    assert content.startswith(old)
    for profile, filler in ((b'', b'1234'), (b'ros', b'1')):
        new = header(profile, content[29:29 + length] + filler)
        assert len(new) == len(old)
        file.write_bytes(new + content[len(old):])
        np.testing.assert_array_equal(read_bag(file).xyz, XYZ + 1)
        assert cloud_topics(file) == {'/map': 2}
    file.write_bytes(header(b'ros1', content[29:29 + length]) + content[len(old):])
    with pytest.raises(InputError, match='messages of ROS 1.*rosbags-convert'):
        read_bag(file)
    file.write_bytes(b'#ROSBAG V2.0\n' + content)
    with pytest.raises(InputError, match='this is a ROS 1 bag.*rosbags-convert'):
        read_bag(file)


def mcap(schemas: Sequence[tuple[str, str, str, bytes]], summary: bool) -> bytes:
    """Return an .mcap file with a channel for each topic, type, encoding and schema."""
    def text(content: str | bytes) -> bytes:
        content = content if isinstance(content, bytes) else content.encode()
        return struct.pack('<I', len(content)) + content

    def record(opcode: int, content: bytes) -> bytes:
        return struct.pack('<BQ', opcode, len(content)) + content

    topics = b''.join(
        record(3, struct.pack('<H', number) + text(name) + text(encoding) + text(schema))
        + record(4, struct.pack('<HH', number, number) + text(topic)
                 + text(encoding.removesuffix('schema')) + text(b''))
        for number, (topic, name, encoding, schema) in enumerate(schemas, 1))
    data = header(b'', b'recorder') + topics + record(5, struct.pack('<HIQQ', 1, 0, 1, 1) + b'{}')
    start = len(data) if summary else 0
    return (data + (topics if summary else b'') + record(2, struct.pack('<QQI', start, 0, 0))
            + b'\x89MCAP0\r\n')


@pytest.mark.parametrize('summary', [False, True])
@pytest.mark.parametrize(('encoding', 'schema', 'said'), [
    ('jsonschema', b'{}', 'json'), ('protobuf', b'\n\xc3\x28\xff', 'protobuf'),
    ('protobuf', b'', 'protobuf'), ('flatbuffer', b'\xff', 'flatbuffer')])
def test_messages_in_other_encodings_are_named(tmp_path: Path, encoding: str, schema: bytes,
                                               said: str, summary: bool) -> None:
    topics = [('/points', 'foxglove.PointCloud', encoding, schema),
              *((f'/tf{number}', 'foxglove.FrameTransform', encoding, schema)
                for number in range(7))]
    (tmp_path / 'a.mcap').write_bytes(mcap(topics, summary))
    with pytest.raises(InputError, match=(
            rf'expected messages in CDR.* got /points \(foxglove.PointCloud in {said}\), /tf0 .*'
            r'/tf3 \(.* and 3 more topics; record or convert clouds as '
            'sensor_msgs/msg/PointCloud2; .*mcap filter')):
        read_bag(tmp_path / 'a.mcap')
    damaged = mcap(topics, summary)[:-40]
    (tmp_path / 'a.mcap').write_bytes(damaged)
    with pytest.raises(InputError, match='not a readable ROS 2 bag.*mcap recover'):
        read_bag(tmp_path / 'a.mcap')


@pytest.mark.parametrize(('cloud', 'index'), [
    (None, 4), ('last', 4), ('largest', 2), ('0', 0), ('1', 1), ('-2', 4), ('-6', 0),
    ('2.2', 2), ('0.0', 0), ('1s', 1), ('99s', 5)])
@pytest.mark.parametrize('storage', ['MCAP', 'SQLITE3'])
def test_which_cloud(tmp_path: Path, storage: str, cloud: str | None, index: int) -> None:
    """The last one is empty, as a mapper that is reset publishes it."""
    sizes = [8, 16, 600, 8, 16, 0]
    path = bag(tmp_path / 'bag', storage, {'/map': 6}, sizes=sizes)
    if sizes[index] == 0:
        with pytest.raises(InputError, match='cloud is empty'):
            read_bag(path, cloud=cloud)
        return
    scan = read_bag(path, cloud=cloud)
    assert len(scan) == sizes[index] and scan.xyz[0, 0] == index


@pytest.mark.parametrize(('cloud', 'words'), [
    ('6', 'no cloud 6: the topic has 2, 0 to 1'), ('-3', 'no cloud -3'),
    ('first', 'expected the cloud as last, largest, its index or a time'),
    ('-1.5', 'no cloud at -1.5 s: the first one is at 0.000 s'),
    ('1500000000.5', 'no cloud at')])
def test_a_cloud_that_is_not_there_is_named(tmp_path: Path, cloud: str, words: str) -> None:
    path = bag(tmp_path / 'bag', 'MCAP', {'/map': 2})
    if cloud.startswith('15'):
        assert len(read_bag(path, cloud=cloud)) == 8  # a stamp later than all: the last one
        return
    with pytest.raises(InputError, match=words):
        read_bag(path, cloud=cloud)


@pytest.mark.parametrize('cloud', [None, 'largest'])
def test_clouds_without_positions_are_passed_over(tmp_path: Path, cloud: str | None) -> None:
    """As a depth camera publishes them that sees nothing: all points are there, and NaN."""
    path = bag(tmp_path / 'bag', 'MCAP', {'/map': 4}, sizes=[8, 16, 20, 3],
               empty_from=2)
    scan = read_bag(path, cloud=cloud)
    assert len(scan) == 16
    assert [doubt.kinds for doubt in find_doubts(scan, 0.02)].count(('clouds',)) == (cloud is None)
    assert scan.num_passed_over == (2 if cloud is None else 0)


def test_a_topic_without_messages_needs_no_choice(tmp_path: Path) -> None:
    path = bag(tmp_path / 'bag', 'MCAP', {'/map': 2, '/other': 0})
    np.testing.assert_array_equal(read_bag(path).xyz, XYZ + 1)


def test_only_empty_clouds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='none of the 2 clouds of the topic has points'):
        read_bag(bag(tmp_path / 'bag', 'MCAP', {'/map': 2}, sizes=[0, 0]))


def test_all_topics_are_listed_with_their_types(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bag(tmp_path / 'bag', 'SQLITE3', {'/map': 3})
    assert bag_topics(path) == [Topic('/chatter', 'std_msgs/msg/String', 1),
                                Topic('/map', 'sensor_msgs/msg/PointCloud2', 3)]
    assert main(['info', str(path), '--cloud', '1']) == 0
    said = capsys.readouterr().out
    assert '/chatter (1 messages of std_msgs/msg/String)' in said and '/map (3 clouds)' in said
    assert '1 cloud' in said and 'from          (1, 2, 3) m' in said
    with pytest.raises(InputError, match=r'bag has none, but: /chatter \(std_msgs/msg/String\)'):
        read_bag(bag(tmp_path / 'none', 'MCAP', {}))


@pytest.mark.parametrize('suffix', ['.zstd', '.zst', ''])
@pytest.mark.parametrize('storage', ['MCAP', 'SQLITE3'])
@pytest.mark.parametrize('bare', [False, True])
def test_files_that_were_compressed_afterwards(tmp_path: Path, storage: str, bare: bool,
                                               suffix: str) -> None:
    zstd = pytest.importorskip('compression.zstd' if sys.version_info >= (3, 14)
                               else 'backports.zstd')
    recorded = bag(tmp_path / 'bag', storage, {'/map': 2}, bare)
    [file] = [file for file in recorded.iterdir() if file.suffix != '.yaml']
    packed = file.with_name(file.name + suffix)
    content = file.read_bytes()
    file.unlink()
    packed.write_bytes(zstd.compress(content))
    np.testing.assert_array_equal(read_bag(packed).xyz, XYZ + 1)
    np.testing.assert_array_equal(read_bag(recorded).xyz, XYZ + 1)


def test_a_folder_with_a_ros_1_bag(tmp_path: Path) -> None:
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0')
    with pytest.raises(InputError, match='got none; convert a ROS 1 bag with `rosbags-convert'):
        read_bag(tmp_path)
