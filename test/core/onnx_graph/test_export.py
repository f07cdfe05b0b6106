"""The network as an ONNX file: valid, complete, and equal to torch level by level."""

from dataclasses import replace
from pathlib import Path
from threading import Timer

from mask3d_core.classes import load_classes
from mask3d_core.cli import main
from mask3d_core.engines.onnx_engine import OnnxEngine
from mask3d_core.engines.torch_engine import TorchEngine
from mask3d_core.errors import InputError
from mask3d_core.model import ModelConfig
from mask3d_core.scan import Scan
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.sparse import bucket
from mask3d_core.stop import stoppable, Stopped, StopRequest
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.weights.checkpoint import load_weights, save_weights, untrained_weights, Weights
import numpy as np
import pytest
import torch

onnx = pytest.importorskip('onnx', reason='needs the extra onnx')
pytest.importorskip('onnxruntime', reason='needs the extra onnx')
from mask3d_core.onnx_graph.export import decoder_outputs, export, save_onnx, unet_outputs  # noqa: E402
from mask3d_core.onnx_graph.graph import OPSET, subgraph  # noqa: E402
from mask3d_core.onnx_graph.inputs import graph_inputs  # noqa: E402

CPU = torch.device('cpu')
CLASSES = load_classes('scannet20').without(['wall', 'floor'])
SMALL = {'num_queries': 8, 'num_rounds': 1, 'hidden_dim': 32, 'num_heads': 4,
         'feedforward_dim': 32, 'num_classes': len(CLASSES)}
RELATIVE = {np.float32: 1e-5, np.float16: 2e-2}
"""Largest difference of a feature, in the largest feature of its level."""


def small_weights(**values: object) -> Weights:
    """Return untrained weights in voxels of 5 cm."""
    return untrained_weights(ModelConfig(**(SMALL | values)), CLASSES, voxel_size=0.05)


@pytest.fixture(scope='module')
def scan() -> Scan:
    """Return a floor and a wall."""
    random = np.random.default_rng(1)
    xyz = random.uniform(0, 3, (8000, 3)).astype(np.float32)
    xyz[:5000, 2], xyz[5000:, 0] = 0, 0
    return Scan.from_points(xyz, random.random((8000, 3)).astype(np.float32))


@pytest.fixture(scope='module')
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return small weights and what the command exported of them."""
    folder = tmp_path_factory.mktemp('exported')
    weights, graph = folder / 'small.weights', folder / 'small.onnx'
    save_weights(weights, replace(small_weights(backbone='Res16UNet14A', votes=True),
                                  trained={'color_drop': 0.2}, max_voxels=5000))
    assert main(['export', str(weights), str(graph)]) == 0
    return weights, graph


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('backbone', ['Res16UNet34C', 'Res16UNet18B', 'Res16UNet14X'])
def test_features_of_every_level(backbone: str, dtype: type[np.floating], scan: Scan) -> None:
    weights = small_weights(backbone=backbone, levels=(0, 1, 2, 3, 4))
    precision = {np.float32: torch.float32, np.float16: torch.float16}[dtype]
    engine, reference = OnnxEngine(weights, CPU, precision), TorchEngine(weights, CPU)
    segmenter = Segmenter(weights, engine)
    _, voxels = segmenter.prepare(scan, Stopwatch(CPU))
    pyramid = segmenter.pyramid(voxels, Stopwatch(CPU))
    expected = reference.encode(voxels, pyramid)
    shapes = {f'level_{number}': tuple(level.shape) for number, level in enumerate(expected)}
    levels = engine.unet.run(graph_inputs(voxels, pyramid), shapes)
    for number, wanted in enumerate(expected):
        difference = (levels[f'level_{number}'] - wanted).abs().max()
        assert difference <= RELATIVE[dtype] * wanted.abs().max(), number


def test_the_file_is_valid_and_of_standard_operators(exported: tuple[Path, Path]) -> None:
    model = onnx.load(exported[1])
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {''}
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [('', OPSET)]
    assert not any('Scatter' in node.op_type or node.op_type in ('Loop', 'If')
                   for node in model.graph.node)
    config = load_weights(exported[0]).model
    between = unet_outputs(config)
    for part in (subgraph(model, [], between),
                 subgraph(model, between, decoder_outputs(config))):
        onnx.checker.check_model(part, full_check=True)
        assert len(part.graph.node) < len(model.graph.node)


def test_the_file_alone_is_enough(exported: tuple[Path, Path], scan: Scan) -> None:
    weights, graph = map(load_weights, exported)
    assert graph.facts() == weights.facts() and graph.graph == exported[1]
    found, wanted = (load_segmenter(path, 'cpu').segment(scan) for path in exported[::-1])
    np.testing.assert_array_equal(found.class_id, wanted.class_id)
    np.testing.assert_allclose(found.score, wanted.score, atol=1e-4)


def test_the_command_reports_and_refuses(exported: tuple[Path, Path], tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    weights, graph = map(str, exported)
    assert main(['export', weights, str(tmp_path / 'half.onnx'), '--precision', 'float16']) == 0
    assert 'opset 17' in capsys.readouterr().out
    assert (tmp_path / 'half.onnx').stat().st_size < 0.7 * exported[1].stat().st_size
    for arguments, words in [
            ([weights, str(tmp_path / 'model.bin')], 'ends with .onnx, got model.bin'),
            ([graph, str(tmp_path / 'again.onnx')], 'small.onnx is an ONNX file already')]:
        assert main(['export', *arguments]) == 1
        assert words in capsys.readouterr().err


def test_what_an_onnx_file_cannot_do(exported: tuple[Path, Path]) -> None:
    for values, words in [({'engine': 'torch'}, 'use the engine onnxruntime'),
                          ({'precision': 'float16'}, 'chosen when it is exported')]:
        with pytest.raises(InputError, match=words):
            load_segmenter(exported[1], 'cpu', **values)
    with pytest.raises(InputError, match='float32 or float16, not in bfloat16'):
        load_segmenter(exported[0], 'cpu', 'bfloat16', engine='onnxruntime')


def test_damaged_and_foreign_files(exported: tuple[Path, Path], tmp_path: Path) -> None:
    whole = exported[1].read_bytes()
    (tmp_path / 'cut.onnx').write_bytes(whole[:len(whole) // 2])
    (tmp_path / 'text.onnx').write_text('no model')
    foreign = onnx.load(exported[1])
    del foreign.metadata_props[:]
    save_onnx(tmp_path / 'foreign.onnx', foreign)
    for name, words in [('cut', 'cut short'), ('text', 'no ONNX file'),
                        ('foreign', 'no facts of weights'), ('absent', 'no weights file')]:
        with pytest.raises(InputError, match=words):
            load_weights(tmp_path / f'{name}.onnx')


def test_the_export_is_reproducible() -> None:
    weights = small_weights(backbone='Res16UNet14A')
    one, two = (export(weights).SerializeToString(deterministic=True) for _ in range(2))
    assert one == two


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_core.engines.onnx_engine.util.find_spec', lambda name: None)
    with pytest.raises(InputError, match='onnx and onnxruntime not installed: pip install'):
        load_segmenter(device='cpu', engine='onnxruntime')


def test_rows_that_fill_a_bucket_change_nothing(scan: Scan) -> None:
    assert [bucket(count) for count in (1, 8, 9, 100, 1025, 5000)] == [1, 8, 10, 112, 1280, 5120]
    weights = small_weights(backbone='Res16UNet14X', votes=True)
    engine = OnnxEngine(weights, CPU)
    segmenter = Segmenter(weights, engine)
    _, voxels = segmenter.prepare(scan, Stopwatch(CPU))
    exact = segmenter.predict(voxels)
    engine.in_buckets = True
    rounded = segmenter.predict(voxels)
    torch.testing.assert_close(rounded.class_logits, exact.class_logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(rounded.mask_logits, exact.mask_logits, atol=1e-4, rtol=1e-4)


def test_a_request_to_stop_ends_a_run(scan: Scan) -> None:
    segmenter = load_segmenter(small_weights(), 'cpu', engine='onnxruntime')
    _, voxels = segmenter.prepare(scan, Stopwatch(CPU))
    request = StopRequest()
    timer = Timer(0.05, request.make, ['enough'])
    timer.start()
    with stoppable(request), pytest.raises(Stopped, match='enough'):
        while True:
            segmenter.predict(voxels)
    timer.join()
    assert not request.interrupts
