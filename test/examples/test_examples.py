"""The examples, run as their docstrings say; the launch file, which needs a camera, is read."""

import ast
from collections.abc import Callable
import json
from pathlib import Path
import re
import runpy

from mask3d_core import load_weights
from mask3d_core.data.labels import write_labelled
from mask3d_core.files import read_scan
import numpy as np
import pytest
from toy_rooms import make_room

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / 'examples'
CLASSES = 'id\tname\n1\tfloor\n2\tcrate\n3\tbin\n'

Run = Callable[..., None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs an example with arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_example(name: str, *arguments: str | Path) -> None:
        path = str(EXAMPLES / name)
        monkeypatch.setattr('sys.argv', [path, *map(str, arguments)])
        runpy.run_path(path, run_name='__main__')

    return run_example


def test_the_list_of_examples_is_complete() -> None:
    listed = re.findall(r'^\| \[`([\w.]+)`\]', (EXAMPLES / 'README.md').read_text(), re.M)
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.glob('*.py'))


def test_segment_cloud_prints_the_boxes_of_the_office(
        run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    office = read_scan(ROOT / 'demo' / 'office.ply')
    assert office.color is not None
    color = np.rint(255 * office.color).astype(np.uint8)
    np.savez(tmp_path / 'office.npz', xyz=office.xyz, color=color)

    run('segment_cloud.py', 'office.npz', '--min-score', '0.4')

    number = r' +(-?\d+\.\d\d)'
    boxes = re.findall(rf'^(\w+){number} +\d+ points  center{3 * number}  size{3 * number}  yaw',
                       capsys.readouterr().out, re.M)
    assert len(boxes) > 8
    scores = [float(score) for _, score, *_ in boxes]
    assert scores == sorted(scores, reverse=True) and min(scores) >= 0.4
    names = [name for name, *_ in boxes]
    assert {'chair', 'desk', 'door'} <= set(names)
    low, high = office.xyz.min(axis=0) - 0.1, office.xyz.max(axis=0) + 0.1
    centers = np.array([box[2:5] for box in boxes], float)
    assert ((low < centers) & (centers < high)).all()
    assert (np.array([box[5:8] for box in boxes], float) < 3).all()


def test_train_on_your_scans_makes_weights_that_segment(
        run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('lightning_fabric')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')  # small rooms gain nothing from more threads
    (tmp_path / 'labelled').mkdir()
    for seed in (1, 2):
        write_labelled(tmp_path / 'labelled' / f'room{seed}.ply', make_room(seed))
    (tmp_path / 'ours.tsv').write_text(CLASSES)

    run('train_on_your_scans.py', 'labelled', '--classes', 'ours.tsv', '--background', 'floor',
        '--epochs', '1', '--device', 'cpu', '--workers', '0')

    weights = load_weights(tmp_path / 'out' / 'ours' / 'run' / 'best.weights')
    assert weights.trained and weights.classes.names == ('crate', 'bin')
    found = json.loads((tmp_path / 'out' / 'ours' / 'found' / 'instances.json').read_text())
    assert {one['class'] for one in found['instances']} <= {'crate', 'bin'}
    assert capfd.readouterr().out.endswith(
        f'{len(found["instances"])} instances in room1.ply; '
        'give the robot out/ours/run/best.weights\n')


def test_train_on_your_scans_ends_with_the_first_command_that_fails(
        run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match='^1$'):
        run('train_on_your_scans.py', 'nothing', '--classes', 'scannet20')
    said = capfd.readouterr()
    assert said.out.count('$ mask3d') == 1 and 'nothing' in said.err


def calls(path: Path, function: str) -> list[ast.Call]:
    """Return the calls of a function in a Python file that compiles."""
    source = path.read_text()
    compile(source, str(path), 'exec')
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name) and node.func.id == function]


def test_the_launch_file_gives_segment_launch_only_arguments_it_has() -> None:
    launch = calls(ROOT / 'launch' / 'segment.launch.py', 'DeclareLaunchArgument')
    declared = {ast.literal_eval(call.args[0]) for call in launch}
    rtabmap, ours = calls(EXAMPLES / 'rtabmap.launch.py', 'included')
    assert [ast.literal_eval(one.args[0]) for one in (rtabmap, ours)] == [
        'rtabmap_launch', 'mask3d_ros']
    assert (ROOT / 'launch' / ast.literal_eval(ours.args[1])).is_file()
    given = {str(keyword.arg): keyword.value for keyword in ours.keywords}
    assert {'cloud', 'weights', 'rviz'} <= set(given) <= declared
    namespace = next(word.value for word in rtabmap.keywords if word.arg == 'namespace')
    assert ast.literal_eval(given['cloud']) == f'/{ast.literal_eval(namespace)}/cloud_map'
