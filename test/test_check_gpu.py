"""The check of a GPU: its steps on the CPU with small networks, and its tables."""

from collections.abc import Callable
from dataclasses import replace
import importlib.util
from pathlib import Path
import subprocess
import sys
from types import ModuleType

from mask3d_core import Scan
from mask3d_core.bench import gpu
from mask3d_core.bench.gpu import markdown_table, measure_network, same_instances, Setting
from mask3d_core.classes import load_classes
from mask3d_core.engines.warm_up import make_room
from mask3d_core.errors import InputError
from mask3d_core.instances import Instances
from mask3d_core.model import ModelConfig
from mask3d_core.sparse import fused_conv
from mask3d_core.weights.checkpoint import untrained_weights, Weights
import numpy as np
import pytest
from shared import SHARED
import torch

SCRIPT = Path(__file__).resolve().parent.parent / 'tools' / 'check_gpu.py'
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def check_gpu() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location('check_gpu', SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules['check_gpu'] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def weights() -> Weights:
    classes = load_classes('scannet20').without(['wall', 'floor'])
    model = ModelConfig('Res16UNet14X', num_classes=len(classes), hidden_dim=16, num_heads=2,
                        feedforward_dim=16, num_queries=5)
    return untrained_weights(model, classes, voxel_size=0.02)


@pytest.fixture
def job(check_gpu: ModuleType, weights: Weights) -> object:
    room = make_room(weights.model, 20)
    cloud: Callable[..., Scan] = check_gpu.cloud_of
    return check_gpu.Job(CPU, weights, weights, replace(room, segment=None), cloud(room, 2000),
                         points=2000, training_edge=16, repeats=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_it_is_one_sentence() -> None:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True,
                          env={'PYTHONPATH': ':'.join(sys.path)})
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith('check_gpu: no GPU: ') and done.stderr.count('\n') == 1


def test_describe(check_gpu: ModuleType, job: object) -> None:
    text = check_gpu.describe(job, check_gpu.Report(1), 1 << 20, 64)
    assert text.count('TFLOP/s') == 4 and 'GB/s' in text and '| engine torch ' in text


def test_goldens(check_gpu: ModuleType, job: object) -> None:
    if not (SHARED / 'golden' / 'micro_eval.npz').exists():
        pytest.skip('golden data too large for the repository: set MASK3D_SHARED')
    report = check_gpu.Report(1)
    text = check_gpu.goldens(job, report, ('micro_eval',))
    assert text.count('| yes ') == 2 and not report.failed
    assert check_gpu.goldens(job, report, ('no_case',)).startswith('No golden data')


def test_a_golden_case_that_differs_fails(check_gpu: ModuleType, job: object,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    from golden_check import Differences

    far = Differences(1., 0., 0.)
    monkeypatch.setattr(check_gpu, 'check_golden', lambda *_: far)
    monkeypatch.setattr(check_gpu, 'SHARED', SCRIPT.parent)
    monkeypatch.setattr(Path, 'exists', lambda _: True)
    report = check_gpu.Report(1)
    assert '| NO ' in check_gpu.goldens(job, report, ('micro_eval',)) and len(report.failed) == 2


def test_engines(check_gpu: ModuleType, job: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_gpu, 'settings', lambda: iter([
        check_gpu.REFERENCE, Setting('torch', 'bfloat16'), Setting('none', 'float32')]))
    lines = check_gpu.engines(job, check_gpu.Report(1)).splitlines()
    assert len(lines) == 5 and '100.000' in lines[2]
    assert lines[3].startswith('| torch, bfloat16 ') and 'not measured: unknown' in lines[4]
    assert 'the time was up' in check_gpu.engines(job, check_gpu.Report(-1))


def test_all_settings_can_be_named(check_gpu: ModuleType) -> None:
    names = [str(setting) for setting in check_gpu.settings()]
    assert 'torch, tf32, no fused kernels' in names and len(set(names)) == len(names)


def test_aims(check_gpu: ModuleType, job: object) -> None:
    """Every row of the table is there; random weights find other instances in bfloat16."""
    report = check_gpu.Report(5)
    lines = check_gpu.aims(job, report).splitlines()
    assert len(lines) == 9 and all(line.startswith('| ') for line in lines)
    text = '\n'.join(lines)
    assert text.count(' ms') >= 5 and 'scans/s' in text and '% equal' in text
    assert text.count('not measured: spconv ') == 1  # small kernels in the shape of a cross


def test_the_best_library_counts(check_gpu: ModuleType, job: object,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {'spconv': .006, 'spconv-triton': .003, 'ocnn': 'not installed'}
    monkeypatch.setattr(check_gpu, 'unet_seconds', lambda *_, **__: (.002, theirs))
    assert check_gpu.compare_libraries(job) == (
        '1.50 times: 2.00 ms; spconv 6.00 ms, spconv-triton 3.00 ms, ocnn not installed')


def test_a_setting_is_undone_when_it_ends() -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    with pytest.raises(InputError), Setting('torch', 'tf32', 'off').active() as precision:
        assert precision == torch.float32 and torch.backends.cuda.matmul.allow_tf32
        assert fused_conv._mode == 'off'
        raise InputError('stop')
    assert torch.backends.cuda.matmul.allow_tf32 == before and fused_conv._mode == 'auto'


def test_measure_network(weights: Weights) -> None:
    room = make_room(weights.model, 12)
    times = measure_network(weights, room, Setting('torch', 'float32'), CPU, 1)
    assert min(times.pyramid, times.unet, times.decoder, times.network) > 0
    assert times.masks.shape == (len(room), 5) and times.masks.dtype == torch.bool


def instances(*found: tuple[int, float, list[int]]) -> Instances:
    """Return instances of (class, score, points), of which nothing else matters here."""
    classes, scores, rows = zip(*found)
    count, nothing = len(found), np.zeros((len(found), 3))
    return Instances(
        rows=tuple(np.array(each, np.int32) for each in rows), num_points=100,
        class_id=np.array(classes, np.int32), score=np.array(scores, np.float32),
        class_names={}, class_colors={}, centroid=nothing, box_center=nothing, box_size=nothing,
        upright_center=nothing, upright_size=nothing, upright_yaw=np.zeros(count))


def test_same_instances() -> None:
    one = instances((1, .9, [0, 1, 2, 3]), (2, .8, [5, 6]), (3, .2, [9]))
    assert same_instances(one, instances((2, .7, [5, 6]), (1, .6, [0, 1, 2])))
    assert not same_instances(one, instances((1, .9, [0, 1, 2, 3])))
    assert not same_instances(one, instances((1, .9, [0, 1, 2, 3]), (4, .8, [5, 6])))
    assert not same_instances(one, instances((1, .9, [0]), (2, .8, [5, 6])))


def test_equal_bits_and_tables() -> None:
    assert gpu.equal_bits(torch.tensor([True, False]), torch.tensor([True, True])) == 0.5
    assert markdown_table(('a', 'long'), [('1', '2'), ('three', '')]) == (
        '| a     | long |\n| ----- | ---- |\n| 1     | 2    |\n| three |      |')
