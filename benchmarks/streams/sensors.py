"""Change points of SKAB's water loop: from seconds of 8 sensors to alarms.

Ours: each sensor is standardised and pre-whitened by what the first 400 seconds show; their
Hotelling T2, a second a round, is brought near the normal by its cube root (Wilson & Hilferty
1931), standardised too, and watched by Page-Hinkley (defaults) or by the e-process that learns.
river's watch the same quantity without pre-whitening.
"""

import numpy as np
import scipy.stats

from benchmarks.streams.readers import SKAB_TRAIN, Run
from benchmarks.streams.watchers import alarms_of, river
from detectors import PageHinkley, Standardiser
from detectors.arrays import FloatArray
from detectors.sequential.mean_eprocess import MeanEProcess

MEDIAN_OF = 5


def page_hinkley_on_t2(run: Run) -> FloatArray:
    """Return the seconds of our Page-Hinkley's alarms, both directions, with its defaults."""
    return _alarms(run, PageHinkley(), _whitened(run))


def eprocess_on_t2(run: Run) -> FloatArray:
    """Return the seconds of the e-process's alarms at 1e-4; each starts a new reference."""
    return _alarms(run, MeanEProcess(alpha=1e-4), _whitened(run))


def river_on_t2(run: Run, name: str) -> FloatArray:
    """Return the seconds of the alarms of one of river's."""
    return _alarms(run, river(name), run.sensors)


def skabs_t2(run: Run) -> FloatArray:
    """SKAB's T2 baseline: a running median of 5 seconds passes the limit of 0.1%, or returns."""
    values = _t_squared(run.sensors)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, MEDIAN_OF), axis=1)
    beyond = medians > _limit(run.sensors.shape[1], 0.001)
    turned = np.flatnonzero(np.diff(beyond)) + MEDIAN_OF
    return np.asarray(run.seconds[turned], dtype=np.float64)


def _alarms(run: Run, detector: object, sensors: FloatArray) -> FloatArray:
    values = np.cbrt(_t_squared(sensors))
    standard = Standardiser.fit(values[:SKAB_TRAIN])
    scores = (values[SKAB_TRAIN:] - standard.mean) / standard.sd
    return run.seconds[SKAB_TRAIN:][alarms_of(detector, scores)]


def _whitened(run: Run) -> FloatArray:
    """Return innovations in deviations, each sensor by its own rho.

    rho is held to 0.95, so that a lasting shift of a slow sensor stays visible; with `Baseline`'s,
    which is not, Page-Hinkley's score is 45 and the e-process's 38.
    """
    columns = []
    for sensor in run.sensors.T:
        standard = Standardiser.fit(sensor[:SKAB_TRAIN], prewhiten=True)
        centred = sensor - standard.mean
        expected = standard.rho * np.concatenate(([0.0], centred[:-1]))
        columns.append((centred - expected) / standard.sd)
    return np.column_stack(columns)


def _t_squared(values: FloatArray) -> FloatArray:
    known = values[:SKAB_TRAIN]
    apart = values - known.mean(axis=0)
    inverse = np.linalg.pinv(np.cov(known, rowvar=False))
    return np.asarray(np.sum(apart @ inverse * apart, axis=1), dtype=np.float64)


def _limit(sensors: int, alpha: float) -> float:
    """Return the T2 that a new second passes with chance `alpha`, estimates' errors included."""
    known = SKAB_TRAIN
    factor = sensors * (known - 1) * (known + 1) / (known * (known - sensors))
    return float(factor * scipy.stats.f.isf(alpha, sensors, known - sensors))
