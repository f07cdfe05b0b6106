"""What the network computes for a scan besides its instances: heatmaps and features."""

from mask3d_core.inspection.inspection import inspect_scan, Inspection

__all__ = ['inspect_scan', 'Inspection']
