"""The layers of the architecture: imports go down or stay, never up, never in a circle."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parent.parent

LAYERS = {
    'mask3d_core': {
        0: 'classes conventions errors instances openmp scan stop',
        1: 'colors device doctor files geometry processes progress rooms scan_checks sparse '
           'stopwatch tracking voxel_box device_cells voxels',
        2: 'drawing model superpoints',
        3: 'data extraction onnx_graph tiling weights',
        4: 'engines interchange original segmenter',
        5: 'evaluation inspection',
        6: 'training viewer',
        7: 'bench',
        8: '__main__ cli commands',
    },
    'mask3d_ros': {
        5: 'action bond cloud_input cloud_reader clouds detections diagnostics error_log '
           'lost_clouds map_segmenter markers messages msg node_subprocess object_messages '
           'object_state outputs parameters qos region result run_node save_result '
           'segment_action segment_parameters segmentation_worker services srv start statistics '
           'transforms transitions worker',
        6: '__main__ demo map_player segment_node',
    },
}
LAYER_OF = {f'{package}.{name}': layer for package, layers in LAYERS.items()
            for layer, names in layers.items() for name in names.split()}
WITHOUT_TORCH = [*LAYERS['mask3d_core'][0].split(), 'files', 'drawing', 'geometry',
                 'interchange', 'tracking']
WITH_ONNX = 'mask3d_core.onnx_graph'
"""Needs the extra `onnx`, so it is imported where it is used."""
RUN_TIME = {'numpy', 'PIL', 'scipy', 'torch'}
"""What `pip install .` brings; everything else is imported where it is used."""
KERNELS = ('mask3d_core.model.farthest_kernel', 'mask3d_core.sparse.triton_kernels')
"""Modules of Triton's language, which only functions import."""


def modules(package: str) -> dict[str, Path]:
    """Return the name and file of every module of a package, without the package itself."""
    found = {}
    for path in sorted((ROOT / package).rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    del found[package]
    return found


MODULES = modules('mask3d_core') | modules('mask3d_ros')


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything that is imported, `from a import b` as a.b or a."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'line {node.lineno}: a relative import'
            for alias in node.names:
                name = f'{node.module}.{alias.name}'
                yield name if name in MODULES else str(node.module)


def imported(module: str) -> set[str]:
    """Return what a module imports, wherever in it."""
    return set(imports(ast.parse(MODULES[module].read_text())))


def part(module: str) -> str:
    """Return the part of the layers a module belongs to: mask3d_core.files of .files.ply."""
    return '.'.join(module.split('.')[:2])


def test_every_module_has_a_layer() -> None:
    assert {part(module) for module in MODULES} - set(LAYER_OF) == set()


def test_the_layers_name_only_what_exists() -> None:
    generated = {'mask3d_ros.action', 'mask3d_ros.msg', 'mask3d_ros.srv'}
    assert set(LAYER_OF) - {part(module) for module in MODULES} - generated == set()


@pytest.mark.parametrize('module', MODULES)
def test_imports_go_down(module: str) -> None:
    layer = LAYER_OF[part(module)]
    up = [name for name in imported(module) if LAYER_OF.get(part(name), -1) > layer]
    assert up == []


@pytest.mark.parametrize('module', modules('mask3d_core'))
def test_the_core_knows_nothing_of_ros(module: str) -> None:
    roots = {name.split('.')[0] for name in imported(module)}
    assert {root for root in roots if root in ('mask3d_ros', 'rclpy') or 'msgs' in root} == set()


@pytest.mark.parametrize('module', [name for name in MODULES if '.sparse' in name])
def test_sparse_imports_torch_only(module: str) -> None:
    others = {part(name) for name in imported(module)} & set(LAYER_OF)
    assert others <= {'mask3d_core.sparse', 'mask3d_core.errors', 'mask3d_core.stop'}
    assert not {name.split('.')[0] for name in imported(module)} & {'numpy', 'scipy'}


@pytest.mark.parametrize('module', modules('mask3d_core'))
def test_other_libraries_are_imported_where_they_are_used(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text())
    at_once = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name for node in at_once for name in imports(node)}
    roots = {name.split('.')[0] for name in names} - set(sys.stdlib_module_names) - RUN_TIME
    if part(module) == WITH_ONNX:
        roots.discard('onnx')
    else:
        assert not any(part(name) == WITH_ONNX for name in names)
    assert roots <= {'mask3d_core', *(['triton'] if module in KERNELS else [])}
    assert not names & set(KERNELS)


def test_no_circles() -> None:
    graph = {module: imported(module) & set(MODULES) - {module} for module in MODULES}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, with the circle


def test_layer_0_files_and_what_else_is_listed_work_without_torch() -> None:
    light = [module for module in MODULES
             if part(module).removeprefix('mask3d_core.') in WITHOUT_TORCH]
    code = f"import sys; sys.modules['torch'] = None; import mask3d_core, {', '.join(light)}"
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=False,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
