"""Statistics of scored pairs: metrics, intervals, calibration, curves."""
