"""Benchmarks: one object says what a published data set is."""

from pathlib import Path
import subprocess
import sys

from mask3d_core.classes import load_classes
from mask3d_core.data.benchmark import benchmarks, find_benchmark, find_protocol
from mask3d_core.data.protocol import CUSTOM
import pytest


def test_benchmarks_are_found_in_their_files() -> None:
    assert list(benchmarks()) == ['s3dis', 'scannet', 'scannet200', 'stpls3d', 'rooms']


@pytest.mark.parametrize('name', benchmarks())
def test_a_benchmark_is_consistent(name: str, tmp_path: Path) -> None:
    benchmark = benchmarks()[name]
    classes = load_classes(benchmark.table)
    classes.rows(benchmark.protocol.background)
    for group in benchmark.protocol.groups.values():
        assert group and set(group) <= set(classes.names)
    data = benchmark.dataset(tmp_path)
    assert (data.name, data.classes) == (name, classes)
    assert data.min_region_size == benchmark.protocol.min_region
    assert (benchmark.sources is None) == (not benchmark.layout)
    if benchmark.original is not None:
        objects = len(classes.without(benchmark.protocol.background))
        assert benchmark.original.num_classes >= objects


def test_a_benchmark_is_found_by_its_name_and_by_its_table() -> None:
    assert find_benchmark('scannet') is find_benchmark('scannet20') is benchmarks()['scannet']
    assert find_benchmark('rooms 7') is find_benchmark('rooms') is benchmarks()['rooms']
    assert find_benchmark('scannet of ours') is find_benchmark('') is None
    assert find_protocol('scannet of ours') == CUSTOM


def test_a_background_of_its_own() -> None:
    assert find_protocol('scannet', ('wall',)).background == ('wall',)


def test_a_new_file_is_a_new_benchmark(tmp_path: Path) -> None:
    (tmp_path / 'ours.py').write_text(
        'from mask3d_core.data.benchmark import Benchmark\n'
        'from mask3d_core.data.protocol import Protocol\n'
        "BENCHMARKS = Benchmark('ours', 'Ours', 's3dis', Protocol(num_queries=7), 'RAW/*.ply',\n"
        '                       lambda raw, classes: []),\n')
    code = ('from mask3d_core.data import readers; import sys\n'
            'readers.__path__.append(sys.argv[1])\n'
            'from mask3d_core.cli import main\n'
            'for command in ("prepare", "evaluate"):\n'
            '    try:\n        main([command, "--help"])\n    except SystemExit:\n        pass\n')
    told = subprocess.run([sys.executable, '-c', code, str(tmp_path)], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    assert 'RAW/*.ply' in told and 'Ours: 7' in ' '.join(told.split())
