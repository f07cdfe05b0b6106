"""
Packaging for `pip install`: the library and the command `mask3d`, without ROS.

On a robot colcon builds with CMakeLists.txt instead. The metadata stands here and not in
pyproject.toml because the setuptools of Ubuntu 22.04 (JetPack 6) cannot read it there.
"""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def package_fact(tag: str) -> str:
    """Return the text of one element of package.xml: the facts stand there once."""
    return ElementTree.parse(ROOT / 'package.xml').findtext(tag, default='').strip()


setup(
    name='mask3d_ros',
    version=package_fact('version'),
    description=package_fact('description'),
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license=package_fact('license'),
    license_files=['LICENSE'],
    python_requires='>=3.10',
    packages=find_packages(include=['mask3d_core', 'mask3d_core.*', 'mask3d_ros', 'mask3d_ros.*']),
    package_data={'mask3d_core': [
        'class_tables/*.tsv', 'class_tables/*.txt', 'rooms/models/*.tsv', 'viewer/page/*',
        'weights/*.weights', 'py.typed']},
    entry_points={'console_scripts': ['mask3d = mask3d_core.cli:main']},
    install_requires=['numpy', 'pillow>=10.1', 'scipy', 'torch>=2.4'],
    extras_require={
        'bags': ['rosbags'],
        'completion': ['shtab>=1.6'],
        'formats': ['laspy[lazrs]>=2.5', 'pycollada>=0.9',
                    "pye57>=0.4; platform_machine != 'aarch64'", 'trimesh>=4.4'],
        'onnx': ['onnx>=1.16', 'onnxruntime>=1.18'],
        'test': ['hypothesis', 'pytest', 'pytest-cov>=7', 'pytest-xdist', 'rosbags',
                 'scikit-learn'],
        'train': ['lightning-fabric>=2.4', 'pyyaml', 'tensorboard'],
        'view': ['rosbags'],
    },
)
