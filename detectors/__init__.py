"""Drift detectors: arrays in, results out. Nothing of the service is in here.

Everything public is here by name: `from detectors import Histogram, ks_histogram`. The names, and
where they come from, are in `__init__.pyi`; a module is imported when one of its names is first
asked for, so that nobody waits for numba, river or scipy who does not use them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
