"""The command line as a user meets it: messages, exit status and real processes."""

from dataclasses import fields
import json
import os
from pathlib import Path
import re
import resource
import subprocess
import sys

from command_line import mask3d, scan_file, weights_file
from mask3d_core.cli import build_parser, COMMANDS, main
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import read_scan
from mask3d_core.files.ply import read_vertices
from mask3d_core.weights.shipped import SCORE_THRESHOLD
import numpy as np
import pytest
from shared import find_shared

__all__ = ['scan_file', 'weights_file']  # fixtures
ROOT = Path(__file__).resolve().parents[2]


def process(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    return subprocess.run(
        [sys.executable, '-m', 'mask3d_core', *map(str, arguments)], capture_output=True,
        text=True, timeout=300, env=os.environ | {'PYTHONPATH': path} | variables)


def test_help_is_fast_and_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / 'torch.py').write_text('raise ImportError("help must not load torch")')
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    process('--help')  # writes the byte code
    times = []
    for _ in range(3):  # seconds of the processor: a busy machine may still slow one of them
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = process('--help', PYTHONPATH=path, COVERAGE_PROCESS_CONFIG='')
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(sum(after[:2]) - sum(before[:2]))  # user and system time

    assert min(times) < 0.5
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)
    for command in COMMANDS:
        done = process(command, '--help', PYTHONPATH=path)
        assert done.returncode == 0, done.stderr
        assert f'\n  mask3d {command}' in done.stdout, 'help teaches with an example'


def test_help_tells_the_defaults_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['segment', '--help'])
    text = ' '.join(capsys.readouterr().out.split())
    told = {'classes': 'all', 'all_classes': None, 'dbscan_eps': '16 voxels',
            'cover_threshold': 'never', 'score_threshold': str(SCORE_THRESHOLD)}
    for setting in fields(ExtractSettings):
        option = '--' + setting.name.replace('_', '-')
        default = told.get(setting.name, str(setting.default))
        found = re.search(rf' {option}(?:, --no\S+)? (?:(?! --).)*?\(default: ([^)]*)\)', text)
        assert option in text
        if default is not None:
            assert found and found[1] == default, setting.name


def test_the_settings_of_the_command_are_those_of_the_library() -> None:
    options = build_parser().parse_args([
        'segment', 'x.ply', '-o', 'out', '--score-threshold', '0.5', '--classes',
        'chair, shower curtain'])

    assert (options.score_threshold, options.top_k) == (0.5, None)
    assert options.classes == ('chair', 'shower curtain')
    assert {setting.name for setting in fields(ExtractSettings)} <= set(vars(options))


@pytest.mark.parametrize('arguments', [
    [], ['fly'], ['segment'], ['segment', 'x.ply'], ['convert', 'only.ckpt'],
    ['segment', 'x.ply', '-o', 'out', '--top-k', 'many'], ['bench', 'x.ply', '--repeats', '0'],
    ['segment', 'x.ply', '-o', 'out', '--num-queries', '-3'], ['info', 'x.ply', '--nonsense']])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = process(*arguments)

    assert done.returncode == 2
    assert done.stderr.startswith('usage: mask3d')
    assert done.stdout == ''


@pytest.mark.parametrize('arguments, message', [
    (['segment', 'none.ply', '-o', 'out'], 'none.ply'),
    (['info', 'none.ply'], 'none.ply'),
    (['info', 'none.weights'], 'there is no weights file none.weights'),
    (['convert', 'none.ckpt', 'out.weights'], 'there is no file none.ckpt')])
def test_failure_is_one_sentence_and_1(arguments: list[str], message: str,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1

    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('mask3d: ') and message in last


@pytest.mark.parametrize('option, value, expected', [
    ('--score-threshold', '1.5', 'a number from 0 to 1'), ('--top-k', '0', '1 or more, or -1'),
    ('--top-k', '-2', '1 or more, or -1'), ('--min-points', '-1', '0 or more'),
    ('--dbscan-eps', '-1', 'metres, 0 or more'), ('--dbscan-eps', 'inf', 'metres, 0 or more'),
    ('--dbscan-min-points', '0', '1 or more'), ('--overlap-threshold', 'nan', 'a number from 0'),
    ('--num-queries', 'few', '1 or more'), ('--max-voxels', '-1', '0 or more'),
    ('--tile-size', '-1', 'metres, 0 or more'), ('--tile-margin', 'nan', 'metres, 0 or more'),
    ('--unit', 'yard', 'a unit of m, dm'), ('--unit', '0', 'a unit of m, dm')])
def test_numbers_out_of_range_are_wrong_usage(
        option: str, value: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['segment', 'none.ply', '-o', 'out', option, value])
    assert ended.value.code == 2
    assert f'argument {option}: expected {expected}' in capsys.readouterr().err


def test_numbers_at_the_end_of_their_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['segment', 'none.ply', '-o', 'out', '--score-threshold', '1', '--top-k', '-1',
                 '--min-points', '0', '--dbscan-eps', '0', '--overlap-threshold', '0']) == 1
    assert 'none.ply' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [
    ['none.ply'], ['SCAN', '--weights', 'none.weights'], ['SCAN', '--classes', 'unicorn']])
def test_wrong_input_leaves_no_folder_behind(
        arguments: list[str], scan_file: Path, tmp_path: Path) -> None:
    given = [str(scan_file) if word == 'SCAN' else word for word in arguments]
    assert main(['segment', *given, '-o', str(tmp_path / 'found')]) == 1
    assert not (tmp_path / 'found').exists()


def test_a_file_in_place_of_the_folder_is_refused_before_anything_takes_time(
        scan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['segment', str(scan_file), '-o', str(scan_file)]) == 1

    assert 'is a file or inside one: give a folder' in capsys.readouterr().err


def test_a_file_that_may_not_be_written_is_named(scan_file: Path, weights_file: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bench', str(scan_file), '--weights', str(weights_file), '--repeats', '1',
                 '--json', str(scan_file / 'x.json')]) == 1

    assert capsys.readouterr().err.splitlines() == [
        f'mask3d: {scan_file} is a file or inside one: give a folder']


def test_failure_is_1_for_the_shell() -> None:
    done = process('info', 'none.ply')

    assert done.returncode == 1
    assert done.stderr == 'mask3d: none.ply: no such file\n'


def test_segment_writes_its_four_files(weights_file: Path, scan_file: Path, tmp_path: Path
                                       ) -> None:
    out = tmp_path / 'deep' / 'found'

    done = process('segment', scan_file, '-o', out, '--weights', weights_file, '--num-queries',
                   '6', '--device', 'cpu', '--top-k', '10')

    assert done.returncode == 0, done.stderr
    assert {file.name for file in out.iterdir()} == {
        'room.ply', 'room.png', 'instances.npz', 'instances.json'}
    found = json.loads((out / 'instances.json').read_text())
    arrays = np.load(out / 'instances.npz')
    assert found['points'] == 5000 == len(arrays['point_instance'])
    assert len(found['instances']) == len(arrays['score'])
    assert f'{len(arrays["score"])} instances' in done.stdout
    assert 'untrained' in done.stdout
    assert 'unet' in done.stdout and 'together' in done.stdout
    assert f'voxel size: {100 * found["voxel_size"]:g} cm' in done.stdout
    assert 'segmenting 5000 points on cpu' in done.stderr


def test_segment_cuts_maps_as_it_is_told(weights_file: Path, scan_file: Path, tmp_path: Path,
                                         ) -> None:
    segment = ['segment', scan_file, '--weights', weights_file, '--device', 'cpu', '-o']
    default, whole, cut = (mask3d(*segment, tmp_path / name, *options) for name, options in (
        ('default', ()), ('whole', ('--tile-size', '0')),
        ('cut', ('--tile-size', '1', '--tile-margin', '0.1'))))

    assert 'tiles: 1, the whole scan\n' in default.stdout
    assert 'tiles: 1, the whole scan\n' in whole.stdout and ' left' not in whole.stderr
    tiles = re.search(r'tiles: (\d+) of 1 m with a margin of 0.1 m, along walls; the largest has '
                      r'(\d+) points\n', cut.stdout)
    assert tiles and int(tiles[1]) > 4 and 5000 / int(tiles[1]) < int(tiles[2]) < 2500
    assert f'tile {tiles[1]}/{tiles[1]} [' in cut.stderr
    one, two, three = (np.load(tmp_path / name / 'instances.npz')
                       for name in ('default', 'whole', 'cut'))
    np.testing.assert_array_equal(one['masks'], two['masks'])
    assert one['masks'].shape[1] == three['masks'].shape[1] == 625
    assert 'joining' in cut.stdout and 'joining' not in whole.stdout


def test_segment_reads_other_axes_and_units(weights_file: Path, scan_file: Path, tmp_path: Path,
                                            ) -> None:
    """The result is that of the scan in metres with z up."""
    scan = read_scan(scan_file)
    turned = scan.xyz[:, [0, 2, 1]] * np.array([1000, 1000, -1000])
    np.savez(tmp_path / 'turned.npz', xyz=turned.astype(np.float64), color=scan.color)
    np.savez(tmp_path / 'plain.npz', xyz=scan.xyz.astype(np.float64), color=scan.color)
    options = ['--weights', weights_file, '--device', 'cpu', '-o']
    plain = mask3d('segment', tmp_path / 'plain.npz', *options, tmp_path / 'one')
    mended = mask3d('segment', tmp_path / 'turned.npz', *options, tmp_path / 'two', '--up', 'y',
                    '--unit', 'mm')
    as_it_is = mask3d('info', tmp_path / 'turned.npz')

    assert plain.returncode == mended.returncode == 0, mended.stderr
    assert '--unit mm' in as_it_is.stdout and '--unit' not in mended.stderr
    one, two = (np.load(tmp_path / name / 'instances.npz') for name in ('one', 'two'))
    np.testing.assert_array_equal(one['masks'], two['masks'])
    np.testing.assert_allclose(one['box_center'], two['box_center'], atol=1e-6)


def test_results_of_a_georeferenced_scan_are_in_its_coordinates(
        weights_file: Path, scan_file: Path, tmp_path: Path) -> None:
    """A room in UTM, with a point at the origin that is far from all others."""
    scan = read_scan(scan_file)
    offset = np.array([500_000.0, 5_400_000.0, 300.0])
    xyz = np.concatenate([scan.xyz + offset, np.zeros((1, 3))])
    color = np.concatenate([scan.color, np.zeros((1, 3))]) if scan.color is not None else None
    np.savez(tmp_path / 'utm.npz', xyz=xyz, color=color)
    done = mask3d('segment', tmp_path / 'utm.npz', '-o', tmp_path / 'out', '--weights',
                  weights_file, '--device', 'cpu', '--score-threshold', '0')

    assert done.returncode == 0, done.stderr
    assert 'has 1 point more than 100 km from the others, which is dropped' in done.stderr
    found = np.load(tmp_path / 'out' / 'instances.npz')
    assert len(found['score']) and found['point_instance'][-1] == -1
    assert (np.abs(found['box_center'] - offset) < 10).all()
    written = read_vertices(tmp_path / 'out' / 'utm.ply')
    assert written['x'].dtype == np.float64
    np.testing.assert_array_equal(written['y'], xyz[:-1, 1])


@pytest.mark.parametrize(('name', 'words'), [
    ('scan.gif', "unknown format '.gif', expected .ply"), ('scan.bag', 'rosbags-convert')])
def test_info_of_other_formats_says_what_segment_says(
        tmp_path: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(b'x' * 304)
    for command in (['info', str(tmp_path / name)],
                    ['segment', str(tmp_path / name), '-o', str(tmp_path / 'out')]):
        assert main(command) == 1
        assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_margin_larger_than_the_tiles_is_refused(weights_file: Path, scan_file: Path,
                                                   tmp_path: Path) -> None:
    done = mask3d('segment', scan_file, '-o', tmp_path / 'out', '--weights', weights_file,
                  '--tile-size', '2', '--tile-margin', '3')
    assert done.returncode == 1 and not (tmp_path / 'out').exists()
    assert 'expected a tile margin of 0 to 2 m, the size of a tile, got 3' in done.stderr


def test_segment_does_not_write_over_what_it_reads(tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    for name in ('scan.ply', 'instances.npz'):
        (tmp_path / name).write_text('of the user')
        assert main(['segment', str(tmp_path / name), '-o', str(tmp_path / '.')]) == 1
        assert f'{name} is read, and would be overwritten' in capsys.readouterr().err
        assert (tmp_path / name).read_text() == 'of the user'


def test_segment_does_not_write_over_labels(scan_file: Path, tmp_path: Path,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'room.ply').write_text('labels of another program')
    assert main(['segment', str(scan_file), '-o', str(tmp_path)]) == 1
    assert 'room.ply: another program wrote it' in capsys.readouterr().err
    assert (tmp_path / 'room.ply').read_text() == 'labels of another program'


def test_segment_has_weights_of_its_own(scan_file: Path, tmp_path: Path) -> None:
    done = mask3d('segment', scan_file, '-o', tmp_path / 'out')

    assert done.returncode == 0, done.stderr
    assert 'untrained' not in done.stdout
    assert json.loads((tmp_path / 'out' / 'instances.json').read_text())['points'] == 5000


def test_a_weights_file_can_be_halved(weights_file: Path, tmp_path: Path) -> None:
    out = tmp_path / 'half.weights'

    done = mask3d('convert', weights_file, out, '--half')

    assert done.returncode == 0, done.stderr
    assert out.stat().st_size < 0.7 * weights_file.stat().st_size
    assert done.stdout.startswith(f'wrote {out}: ')


@pytest.mark.parametrize('options, named', [
    ([], 'only --half can be asked'), (['--half', '--voxel-size', '0.1'], 'not --voxel-size')])
def test_nothing_else_is_done_to_a_weights_file(weights_file: Path, tmp_path: Path,
                                                options: list[str], named: str) -> None:
    done = mask3d('convert', weights_file, tmp_path / 'out.weights', *options)

    assert done.returncode == 1
    assert named in done.stderr and not (tmp_path / 'out.weights').exists()


def test_weights_that_need_colour_say_so(weights_file: Path, tmp_path: Path) -> None:
    path = tmp_path / 'gray.npz'
    np.savez(path, xyz=np.random.default_rng(0).uniform(0, 1, (100, 3)))

    done = mask3d('segment', path, '-o', tmp_path / 'out', '--weights', weights_file)

    assert done.returncode == 1
    assert 'colo' in done.stderr.splitlines()[-1]
    assert 'Traceback' not in done.stderr


def test_info_knows_weights_and_scans(weights_file: Path, scan_file: Path) -> None:
    weights, scan = mask3d('info', weights_file), mask3d('info', scan_file)

    assert 'Res16UNet14A' in weights.stdout
    assert re.search(r'classes +18: cabinet, bed, chair', weights.stdout)
    assert re.search(r'tiles +8 m with a margin of 0.5 m, along walls\n', weights.stdout)
    assert re.search(r'trained +no', weights.stdout)
    assert re.search(r'points +5000\n', scan.stdout)
    assert re.search(r'size +3.00 x 3.00 x 2.6', scan.stdout)


def test_info_of_scans_and_bags_needs_no_torch(tmp_path: Path, scan_file: Path) -> None:
    (tmp_path / 'torch.py').write_text('raise ImportError("scans must not load torch")')
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    bag = find_shared('data/bags/kinect_tabletop_ros2_mcap_zstd')
    done = process('info', scan_file, ROOT / 'demo' / 'office.ply', bag, PYTHONPATH=path,
                   COVERAGE_PROCESS_CONFIG='')
    assert done.returncode == 0, done.stderr


def test_info_lists_the_topics_of_a_bag() -> None:
    pytest.importorskip('rosbags')
    done = mask3d('info', find_shared('data/bags/kinect_tabletop_ros2_mcap_zstd'))

    assert done.returncode == 0, done.stderr
    assert '/camera/depth_registered/points (1 clouds)' in done.stdout
    assert '233301 and 73899 without a position' in done.stdout


def test_doctor_names_the_device() -> None:
    done = process('doctor', CUDA_VISIBLE_DEVICES='')

    assert done.returncode == 0, done.stderr
    assert re.search(r'^torch +\d', done.stdout, re.MULTILINE)
    assert re.search(r'^device +cpu$', done.stdout, re.MULTILINE)
    assert re.search(r'^no CUDA because +\w', done.stdout, re.MULTILINE)


def test_output_may_be_cut_off(weights_file: Path) -> None:
    command = f'"{sys.executable}" -m mask3d_core info "{weights_file}" | true; '
    done = subprocess.run(
        ['bash', '-c', command + 'echo ${PIPESTATUS[0]}'], capture_output=True, text=True,
        env=os.environ | {'PYTHONPATH': str(ROOT)}, timeout=300)

    assert 'Traceback' not in done.stderr
    assert 'Exception' not in done.stderr


def test_version_is_that_of_the_package() -> None:
    assert f'<version>{process("--version").stdout.split()[1]}</version>' in (
        ROOT / 'package.xml').read_text()
