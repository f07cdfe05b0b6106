"""Let `python -m mask3d_core` be `mask3d`."""

import sys

from mask3d_core.cli import main

sys.exit(main())
