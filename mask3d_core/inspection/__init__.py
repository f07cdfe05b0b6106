"""What the network computes for a scan besides its instances: heatmaps and features."""

from mask3d_core.inspection.encoded_scan import EncodedScan
from mask3d_core.inspection.inspection import inspect_scan, Inspection

__all__ = ['EncodedScan', 'inspect_scan', 'Inspection']
