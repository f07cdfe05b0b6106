"""`mask3d figures`: the pictures of the paper, of one's own scans."""

from __future__ import annotations

import argparse
from pathlib import Path

from mask3d_core.commands.arguments import (
    add_input_arguments,
    add_model_arguments,
    conventions,
    distance,
    fraction,
)
from mask3d_core.progress import log

SUMMARY = 'draw the pictures of the paper, of your scans'
DESCRIPTION = """\
Draw what the network computes for scans, as in the paper. Writes into DIR

  NAME_heatmaps.png   mask probabilities of the queries of the best instances (Fig. 1)
  NAME_features.png   features of the U-Net beside the instances (Fig. 4)
  NAME_dbscan.png     the instances without and with DBSCAN (Fig. 7)

Features are shown by their first three principal components, as colours. Scans are not
cut into tiles.
"""
EXAMPLES = """\
example:
  mask3d figures scan.ply -o figures
  mask3d figures scan.ply other.ply --only heatmaps --weights ours.weights
"""
NAMES = ('heatmaps', 'features', 'dbscan')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('scans', type=Path, nargs='+', metavar='SCAN',
                        help='scans (.ply, .pcd, .npz, .las …, see docs/files.md) or bags')
    parser.add_argument('-o', '--out', type=Path, metavar='DIR', default=Path('figures'),
                        help='folder for the pictures; made when missing (default: figures)')
    parser.add_argument('--only', nargs='+', choices=NAMES, metavar='FIGURE', default=NAMES,
                        help='heatmaps, features, dbscan (default: all)')
    parser.add_argument('--score-threshold', type=fraction, metavar='S',
                        help='minimum score of an instance, 0..1 (default: 0.3)')
    parser.add_argument('--dbscan-eps', type=distance, metavar='METRES',
                        help='DBSCAN distance (default: 16 voxels)')
    add_input_arguments(parser)
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Draw the figures of each scan."""
    from mask3d_core.errors import InputError
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.files import read_scan
    from mask3d_core.files.formats import scan_name
    from mask3d_core.files.target import check_folder
    from mask3d_core.inspection.figures import draw_figures
    from mask3d_core.segmenter import load_segmenter
    from mask3d_core.weights.shipped import SCORE_THRESHOLD

    check_folder(options.out)
    if options.dbscan_eps == 0:
        raise InputError('expected --dbscan-eps above 0: the picture without DBSCAN is drawn, too')
    score = SCORE_THRESHOLD if options.score_threshold is None else options.score_threshold
    settings = ExtractSettings(score_threshold=score, dbscan_eps=options.dbscan_eps)
    log('loading the weights …')
    segmenter = load_segmenter(options.weights, options.device, options.precision,
                               options.num_queries, options.max_voxels, options.engine)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in options.scans:
        log(f'reading {path} …')
        scan = read_scan(path, options.topic, options.cloud, conventions(options))
        for file in draw_figures(segmenter, scan, settings, options.out / scan_name(path),
                                 tuple(options.only)):
            print(f'wrote {file}')
