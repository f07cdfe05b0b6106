"""
Make .venv: Python packages, ROS 2 from wheels, the messages, and this package in place.

`make setup` runs it; by hand: python3 tools/setup_venv.py. Needs Python >= 3.10, a C++ compiler
and, the first time, a network. Every step keeps a stamp of what it was made from and is skipped
while that is unchanged. Standard library only: it runs before anything is installed.

With the argument `docs` it makes .venv/docs instead: MkDocs alone, which `make docs` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
import fcntl
import hashlib
import importlib.util
import os
from pathlib import Path
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
DOCS_VENV = VENV / 'docs'
REQUIREMENTS = ROOT / 'requirements'
PYTHON = VENV / 'bin' / 'python'
SITE_PACKAGES = VENV / 'lib' / 'python{}.{}'.format(*sys.version_info) / 'site-packages'
LOGS = VENV / 'log'
BUILD = VENV / 'build'
# The generated half of mask3d_ros. Not in site-packages, where it would hide the source half.
GENERATED = 'lib/mask3d_ros_generated'
OLDEST_PYTHON = (3, 10)


class SetupError(Exception):
    """An error that ends the set-up: one sentence for the user."""


def check_machine() -> None:
    """Raise SetupError for what has to be there before we start."""
    check_python()
    if (platform.system(), platform.machine()) != ('Linux', 'x86_64'):
        raise SetupError('the ROS 2 wheels exist for x86-64 Linux only: on this machine install '
                         'ROS 2 and build with colcon (docs/robot.md), or use pip install .')


def check_python() -> None:
    """Raise SetupError if this Python cannot make environments that we can use."""
    version = '.'.join(map(str, sys.version_info[:2]))
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(f'Python 3.10 or newer is needed and {sys.executable} is {version}: '
                         'install a newer one and name it, as in: make setup PYTHON=python3.12')
    for module in ('venv', 'ensurepip'):
        if importlib.util.find_spec(module) is None:
            raise SetupError(f'this Python has no module {module}: install it, on Debian and '
                             f'Ubuntu with: sudo apt install python{version}-venv')


def check_compiler() -> None:
    """Raise SetupError if the compiler or the headers for the messages are missing."""
    for variable, name in (('CC', 'cc'), ('CXX', 'c++')):
        if shutil.which(os.environ.get(variable, name).split()[0]) is None:
            raise SetupError(f'no C++ compiler ({name}) found, but the ROS messages need one: '
                             'install it, on Debian and Ubuntu with: sudo apt install g++')
    header = Path(sysconfig.get_path('include'), 'Python.h')
    if not header.is_file():
        version = '.'.join(map(str, sys.version_info[:2]))
        raise SetupError(f'no {header}, but the ROS messages need it: install it, on Debian and '
                         f'Ubuntu with: sudo apt install python{version}-dev')


def make_venv() -> None:
    """Make the empty environment."""
    _make_venv(VENV)


def make_docs_venv() -> None:
    """Make the empty environment of the documentation."""
    _make_venv(DOCS_VENV)


def install_packages() -> None:
    """Install everything from the requirements, at the pinned versions, and repair ROS's."""
    _install(VENV, 'packages', 'development', 'ros')
    repair_cmake_exports()


def install_docs_packages() -> None:
    """Install what the documentation is built with, at the pinned versions."""
    _install(DOCS_VENV, 'docs', 'docs')


def repair_cmake_exports() -> None:
    """Point the wheels' CMake files, which name folders of their build machine, to ours."""
    folders = f'{sysconfig.get_path("include")};{SITE_PACKAGES / "numpy/_core/include"}'
    for path in (VENV / 'share').glob('*/cmake/*__rosidl_generator_pyExport.cmake'):
        path.write_text(re.sub(r'(INTERFACE_INCLUDE_DIRECTORIES) "/opt/[^"]*"',
                               rf'\1 "{folders}"', path.read_text()))


def install_package() -> None:
    """Install this package in place: the command `mask3d`, and imports from anywhere."""
    # compat: a .pth line, for a package with a second folder; an import hook would hide that one
    _call([str(PYTHON), '-m', 'pip', 'install', '--no-deps', '--no-build-isolation',
           '--config-settings', 'editable_mode=compat', '-e', str(ROOT)], 'package',
          'the package could not be installed')


def build_messages() -> None:
    """Build and install the ROS package into .venv, as a robot does, with links to the source."""
    check_compiler()
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.rmtree(VENV / GENERATED, ignore_errors=True)
    failed = 'the ROS messages could not be built'
    _call([str(VENV / 'bin' / 'cmake'), '-S', str(ROOT), '-B', str(BUILD), '-G', 'Ninja',
           f'-DCMAKE_INSTALL_PREFIX={VENV}', f'-DCMAKE_PREFIX_PATH={VENV}',
           f'-DPython3_EXECUTABLE={PYTHON}', f'-DPYTHON_INSTALL_DIR={GENERATED}',
           '-DAMENT_CMAKE_SYMLINK_INSTALL=1', '-DBUILD_TESTING=OFF'], 'configure', failed)
    _call([str(VENV / 'bin' / 'cmake'), '--build', str(BUILD), '--target', 'install'],
          'messages', failed)
    # read after '__editable__…pth': the source half comes first on the path
    (SITE_PACKAGES / 'mask3d_ros_generated.pth').write_text(f'{VENV / GENERATED}\n')


def write_ros_environment() -> None:
    """Write .venv/ros.sh, which sets the environment variables that ROS 2 needs."""
    libraries = ':'.join(map(str, [VENV / 'lib', *sorted(SITE_PACKAGES.glob('ros_*.libs'))]))
    (VENV / 'ros.sh').write_text(f"""\
# Environment variables for ROS 2: . .venv/ros.sh   (written by tools/setup_venv.py)
unset PYTHONPATH  # of another ROS
export PATH="{VENV}/bin:$PATH"
export LD_LIBRARY_PATH="{libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export AMENT_PREFIX_PATH="{VENV}"
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
# discover nodes of this machine only, unless set otherwise
export ROS_AUTOMATIC_DISCOVERY_RANGE="${{ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}}"
# without this the wheels start Python a second time to set LD_LIBRARY_PATH
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
""")


def run_steps() -> None:
    """Run the steps whose inputs changed, in order."""
    package = [ROOT / 'package.xml', ROOT / 'setup.py']
    interfaces = [ROOT / 'package.xml', ROOT / 'CMakeLists.txt',
                  *sorted(path for kind in ('action', 'msg', 'srv')
                          for path in ROOT.glob(f'{kind}/*.{kind}'))]
    linked = ' '.join(str(path.relative_to(ROOT))
                      for folder in ('config', 'demo', 'examples', 'launch')
                      for path in sorted((ROOT / folder).glob('*.*')))
    script = Path(__file__)
    if not (VENV / 'stamps' / build_messages.__name__).exists():
        check_compiler()  # before the long download
    done = _step('environment', make_venv, f'{sys.version} {VENV}')
    done |= _step('Python packages, ROS 2 (2 minutes)', install_packages,
                  _digest(_requirements('development', 'ros')), again=done)
    done |= _step('this package', install_package, _digest([script, *package]), again=done)
    done |= _step('ROS messages (20 s)', build_messages,
                  _digest([script, *interfaces]) + linked, again=done)
    _step('shell environment', write_ros_environment, _digest([script]), again=done)


def run_docs_steps() -> None:
    """Run the steps of the documentation's environment whose inputs changed, in order."""
    done = _step('environment of the documentation', make_docs_venv, f'{sys.version} {DOCS_VENV}')
    _step('MkDocs (half a minute)', install_docs_packages, _digest(_requirements('docs')),
          again=done)


def _make_venv(folder: Path) -> None:
    base = getattr(sys, '_base_executable', sys.executable)  # not the environment's own
    _call([base, '-m', 'venv', '--clear', str(folder)], 'venv',
          'the environment could not be made')


def _install(venv: Path, log: str, *names: str) -> None:
    """Install the packages of requirement files into an environment, at the pinned versions."""
    pins, *files = map(str, _requirements(*names))
    arguments = ['-c', pins, *(argument for file in files for argument in ('-r', file))]
    _call([str(venv / 'bin' / 'python'), '-m', 'pip', '--disable-pip-version-check', 'install',
           *arguments], log, 'the Python packages could not be downloaded; is there a network?')


def _requirements(*names: str) -> list[Path]:
    """Return the file of the pinned versions, then requirement files by their names."""
    return [REQUIREMENTS / f'{name}.txt' for name in ('pins', *names)]


def _step(name: str, action: Callable[[], None], inputs: str, *, again: bool = False) -> bool:
    """Run one step unless its stamp equals its inputs; return whether it ran."""
    stamp = VENV / 'stamps' / action.__name__
    if not again and stamp.is_file() and stamp.read_text() == inputs:
        return False
    print(f'setup: {name} ...', flush=True)
    stamp.unlink(missing_ok=True)
    start = time.monotonic()
    action()
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(inputs)
    print(f'setup: {name} done in {time.monotonic() - start:.0f} s', flush=True)
    return True


def _call(command: list[str], log: str, failed: str) -> None:
    """Run a command with its output in a log; raise SetupError if it fails."""
    environment = {key: value for key, value in os.environ.items() if key not in (
        'PYTHONPATH', 'PYTHONHOME', 'LD_LIBRARY_PATH', 'CMAKE_PREFIX_PATH')}  # of another ROS
    environment |= {'PATH': f'{VENV / "bin"}{os.pathsep}{os.environ["PATH"]}',
                    'AMENT_PREFIX_PATH': str(VENV), 'LD_LIBRARY_PATH': str(VENV / 'lib'),
                    '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'}
    finished = subprocess.run(command, env=environment, cwd=ROOT, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f'{log}.txt'
    path.write_text(' '.join(command) + '\n' + finished.stdout)
    if finished.returncode:
        raise SetupError(f'{failed} ({_reason(finished.stdout)}; full log: {path})')


def _reason(output: str) -> str:
    """Return the first line of a failed command's output that reports an error."""
    for sign in (r"(failed to (establish|resolve)|\w+ timed out|no space left)[^'\n]*",
                 r'.*\berror\b.*', r'.+'):
        if found := re.search(sign, output, re.IGNORECASE):
            return found[0].strip()[:300]
    return 'no output'


def _digest(paths: Iterable[Path]) -> str:
    content = hashlib.sha256()
    for path in paths:
        content.update(f'{path.name}\n'.encode() + path.read_bytes())
    return content.hexdigest()


def main() -> int:
    """Set up; return the exit status."""
    check, run = ((check_python, run_docs_steps) if sys.argv[1:] == ['docs'] else
                  (check_machine, run_steps))
    try:
        check()
        VENV.mkdir(exist_ok=True)
        fcntl.flock(os.open(VENV, os.O_RDONLY), fcntl.LOCK_EX)  # two at once would spoil it
        run()
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
