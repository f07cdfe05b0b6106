"""
Fine-tune the shipped weights on labelled scans, and segment one of them with the result.

    python examples/train_on_your_scans.py labelled/ --classes ours.tsv --background floor

labelled/ holds two or more .ply or .npz files with a class and an instance for each point;
ours.tsv lists the classes (docs/training_data.md). To try it without labels of your own:

    mask3d prepare rooms rooms --count 4 --held-out 0
    python examples/train_on_your_scans.py rooms/scans --classes rooms --background wall,floor

Three epochs show that everything works. `--epochs 200` is a real training; any other key of the
training configuration can be given in the same way (docs/training.md).
"""

import argparse
import json
from pathlib import Path
import shlex
import subprocess
import sys

CONFIG = Path(__file__).resolve().parent.parent / 'config' / 'train_own.yaml'


def mask3d(*arguments: str | Path) -> None:
    """Print a command of `mask3d` and run it; end this program if it fails."""
    words = [str(argument) for argument in arguments]
    print('$ mask3d', shlex.join(words), flush=True)
    status = subprocess.run([sys.executable, '-m', 'mask3d_core', *words], check=False).returncode
    if status:
        raise SystemExit(status)


def main() -> None:
    """Prepare a data set, check it, train on it, segment a scan."""
    parser = argparse.ArgumentParser(description='Fine-tune the shipped weights on your scans.')
    parser.add_argument('labelled', type=Path, help='folder of labelled .ply or .npz files')
    parser.add_argument('--classes', required=True, help='.tsv file, or a table of the package')
    parser.add_argument('--background', default='', metavar='NAMES',
                        help='labelled classes that are not objects, as "wall,floor"')
    parser.add_argument('--output', type=Path, default=Path('out/ours'), metavar='DIR')
    parser.add_argument('--epochs', default='3')
    options, keys = parser.parse_known_args()  # the others are keys of the training configuration

    data, run, found = (options.output / name for name in ('data', 'run', 'found'))
    mask3d('prepare', 'folder', options.labelled, data, '--classes', options.classes,
           '--background', options.background)
    mask3d('prepare', 'check', data)
    mask3d('train', '--config', CONFIG, '--data', data, '--output', run,
           '--epochs', options.epochs, *keys)
    weights = run / 'best.weights'
    scan = min([*options.labelled.glob('*.ply'), *options.labelled.glob('*.npz')])
    mask3d('segment', scan, '-o', found, '--weights', weights, '--score-threshold', '0.3')

    instances = json.loads((found / 'instances.json').read_text())['instances']
    print(f'{len(instances)} instances in {scan.name}; give the robot {weights}')


if __name__ == '__main__':
    main()
