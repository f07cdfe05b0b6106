"""The facts of the package agree wherever they have to stand twice."""

import ast
from importlib.metadata import entry_points
from importlib.util import find_spec
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree
import zipfile

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ElementTree.parse(ROOT / 'package.xml').getroot()
CMAKE = (ROOT / 'CMakeLists.txt').read_text()
LAUNCH = ROOT / 'launch' / 'segment.launch.py'
EXAMPLES = sorted((ROOT / 'examples').glob('*.py'))
INTERFACES = sorted(path for kind in ('action', 'msg', 'srv')
                    for path in ROOT.glob(f'{kind}/*.{kind}'))

NOT_IN_HUMBLE = {
    'rclpy.clock_type', 'rclpy.event_handler', 'rclpy.experimental', 'rclpy.parameter_client',
    'rclpy.parameter_event_handler', 'add_post_set_parameters_callback',
    'add_pre_set_parameters_callback', 'BEST_AVAILABLE', 'MessageInfo', 'TimerInfo',
    'received_timestamp', 'source_timestamp'}
"""Of rclpy, what its oldest version we promise to work with lacks: no wheels to test with."""
CAN_BUILD_WHEELS = find_spec('pip') is not None and any(
    command.name == 'bdist_wheel' for command in entry_points(group='distutils.commands'))
"""False where a distribution has an older setuptools and no package wheel."""


def texts(pattern: str) -> set[str]:
    """Return the texts of the elements of package.xml whose tags match a pattern."""
    return {str(element.text) for element in PACKAGE if re.fullmatch(pattern, element.tag)}


def requirements(name: str) -> set[str]:
    """Return the names in one of the requirement files, without versions."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return {re.split(r'[=; ]', line)[0].replace('_', '-') for line in lines
            if line and not line.startswith('#')}


def ros_packages(path: Path) -> set[str]:
    """Return the ROS packages that a Python file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    ours = r'(\w+_(?:msgs(?:_py)?|srvs|interfaces)|ament_index_python|launch\w*|rclpy)\b.*'
    return {match[1] for name in names if (match := re.fullmatch(ours, name))}


def words(path: Path) -> set[str]:
    """Return the modules, names and texts in a Python file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.name for alias in node.names)
        fields = (getattr(node, field, None) for field in ('module', 'id', 'attr', 'value'))
        found.update(text for text in fields if isinstance(text, str))
    return found


def test_the_changelog_tells_of_this_version() -> None:
    version = PACKAGE.findtext('version')
    headings = re.findall(r'^(\d+\.\d+\.\d+) .*\n-+$', (ROOT / 'CHANGELOG.rst').read_text(), re.M)
    assert headings[0] == version


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == PACKAGE.findtext('version')
    assert citation['license'] == PACKAGE.findtext('license')
    released = f'{citation["version"]} ({citation["date-released"]})\n---'
    assert released in (ROOT / 'CHANGELOG.rst').read_text()


def test_the_licence_is_the_one_we_name() -> None:
    assert PACKAGE.findtext('license') == 'Apache-2.0'
    text = (ROOT / 'LICENSE').read_text()
    assert 'Apache License' in text and 'Version 2.0, January 2004' in text
    assert 'END OF TERMS AND CONDITIONS' in text


def test_every_interface_is_generated() -> None:
    listed = re.findall(r'(?:action|msg|srv)/\w+\.\w+', CMAKE)
    assert sorted(listed) == [path.relative_to(ROOT).as_posix() for path in INTERFACES]


@pytest.mark.parametrize('path', INTERFACES, ids=lambda path: path.name)
def test_every_field_of_an_interface_is_explained(path: Path) -> None:
    groups = re.split(r'\n(?:\s*\n|---\n)', path.read_text().strip())
    fields = [group for group in groups if re.search(r'^\w', group, re.M)]
    plain = [group for group in fields if not group.startswith('#')]
    assert plain in ([], ['Instance[] instances'], ['ObjectChange[] changes'])


def test_every_script_is_installed_and_can_be_started() -> None:
    scripts = sorted((ROOT / 'scripts').iterdir())
    assert sorted(re.findall(r'scripts/\w+', CMAKE)) == [f'scripts/{p.name}' for p in scripts]
    for path in scripts:
        assert path.read_text().startswith('#!/usr/bin/env python3\n')
        assert os.access(path, os.X_OK)


def test_package_xml_names_every_ros_package_we_import() -> None:
    files = [*(ROOT / 'mask3d_ros').rglob('*.py'), *EXAMPLES, LAUNCH]
    used = set().union(*map(ros_packages, files))
    assert used - texts(r'(exec_)?depend') == set()


def test_nothing_of_rclpy_is_used_that_humble_lacks() -> None:
    files = [*(ROOT / 'mask3d_ros').rglob('*.py'), *EXAMPLES, LAUNCH]
    assert set().union(*map(words, files)) & NOT_IN_HUMBLE == set()


def test_the_wheels_hold_every_ros_package_we_need() -> None:
    from_source = {'launch', 'launch_ros', 'rviz2', 'rosidl_default_runtime', 'sensor_msgs_py',
                   'tf2_ros_py'}
    needed = {name for name in texts(r'(exec_)?depend') if not name.startswith('python3-')}
    wheels = {name.removeprefix('ros-').removeprefix('kilted-').replace('-', '_')
              for name in requirements('ros')}
    assert needed - from_source - wheels <= {'action_msgs', 'builtin_interfaces', 'rcl_interfaces'}


def test_everything_installed_is_pinned() -> None:
    pins = requirements('pins')
    assert set().union(*map(requirements, ('ros', 'development', 'docs'))) - pins == set()


def test_the_launch_file_names_only_what_exists() -> None:
    source = LAUNCH.read_text()
    compile(source, str(LAUNCH), 'exec')
    files = re.findall(r"'(\w+\.(?:yaml|rviz))'", source)
    assert sorted(files) == ['segment.rviz', 'segment.yaml']
    assert all((ROOT / 'config' / name).is_file() for name in files)
    ours = re.findall(r"package='mask3d_ros', executable='(\w+)'", source)
    assert ours == ['segment_node'] and (ROOT / 'scripts' / ours[0]).is_file()


def test_the_image_is_built_without_the_tests_that_it_does_not_have() -> None:
    """CMake stops where a folder of tests is missing."""
    ignored = (ROOT / '.dockerignore').read_text().splitlines()
    installed, = re.findall(r'install\(DIRECTORY (\w+ .+)', CMAKE)
    assert 'test' in ignored and not set(installed.split()) & set(ignored)
    assert '-DBUILD_TESTING=OFF' in (ROOT / 'Dockerfile').read_text()


@pytest.mark.parametrize('path', ['.github/workflows/ci.yml', '.pre-commit-config.yaml', *(
    f'.github/ISSUE_TEMPLATE/{name}.yml' for name in ('bug', 'config', 'data', 'feature'))])
def test_files_for_contributors_are_valid_yaml(path: str) -> None:
    assert isinstance(yaml.safe_load((ROOT / path).read_text()), dict)


def test_ci_runs_every_python_that_the_wheels_support() -> None:
    jobs = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())['jobs']
    tested = jobs['test']['strategy']['matrix']['python']
    assert tested == ['3.10', '3.11', '3.12', '3.13', '3.14']
    assert f'Python\n# {tested[0]} to {tested[-1]}.' in (
        ROOT / 'requirements' / 'ros.txt').read_text()


def run(*command: str, cwd: Path) -> None:
    """Run Python with arguments; fail the test with its output if it fails."""
    done = subprocess.run([sys.executable, *command], cwd=cwd, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel of the source archive, made from a copy: building leaves files behind."""
    if not CAN_BUILD_WHEELS:
        pytest.skip('a wheel needs pip and setuptools 70.1, or an older one and the package wheel')
    source = tmp_path_factory.mktemp('source') / 'mask3d_ros'
    left = shutil.ignore_patterns('.*', '__pycache__', 'build', 'out', '*.egg-info')
    shutil.copytree(ROOT, source, ignore=left)
    run('setup.py', '-q', 'sdist', '-d', 'archive', cwd=source)
    archive = next(source.glob('archive/*.tar.gz'))
    run('-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '-q', str(archive), cwd=source)
    return zipfile.ZipFile(next(source.glob('*.whl')))


def test_the_wheel_holds_every_source_and_data_file(wheel: zipfile.ZipFile) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for package in ('mask3d_core', 'mask3d_ros')
              for path in (ROOT / package).rglob('*')
              if path.is_file() and path.suffix != '.pyc'}
    assert {name for name in wheel.namelist() if '.dist-info/' not in name} == wanted


def test_the_wheel_knows_its_facts(wheel: zipfile.ZipFile) -> None:
    folder = next(name.split('/')[0] for name in wheel.namelist() if '.dist-info/' in name)
    metadata = wheel.read(f'{folder}/METADATA').decode()
    assert f'Version: {PACKAGE.findtext("version")}\n' in metadata
    assert 'Requires-Python: >=3.10\n' in metadata
    base = re.findall(r'^Requires-Dist: ([\w.>=-]+)$', metadata, re.M)
    assert sorted(base) == ['numpy', 'pillow>=10.1', 'scipy', 'torch>=2.4']
    assert 'mask3d = mask3d_core.cli:main' in wheel.read(f'{folder}/entry_points.txt').decode()
