"""Where the original's inputs and outputs, and real data, are: beside the repository."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get('MASK3D_SHARED', ROOT.parent / 'shared'))
