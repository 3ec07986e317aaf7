"""Detectors of buying signals, one a module. The shape is in `base`."""
