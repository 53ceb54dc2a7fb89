"""How far clients are from agreeing, from the norms and cosines of their updates.

Under a server each client knows the cosine to the mean of all; a peer without one knows its own
neighbourhood's mean, and tells that mean's length too.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.rounds.records import Records
from detectors import DetectorError, consensus_distance, neighbourhood_distance

NORM, MEAN_NORM, COSINE = "update.norm", "update.mean_norm", "update.cosine"
Floats = NDArray[np.float64]


def consensus_of(records: Records, answered: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    """The round's consensus distance over the clients' own length; nothing where it is not told."""
    norms, means, cosines = (
        records.numbers.get(name, np.full(len(answered), np.nan))[answered]
        for name in (NORM, MEAN_NORM, COSINE)
    )
    try:
        yield from _of_peers(norms, means, cosines)
        yield from _of_clients(records, answered, norms, means, cosines)
    except DetectorError:  # what was told fits no mean: then there is no saying
        return


def _of_peers(norms: Floats, means: Floats, cosines: Floats) -> Iterator[tuple[str, float]]:
    peers = ~np.isnan(norms) & ~np.isnan(means)
    if peers.any():
        # Only where one of both lengths is 0 is there no cosine, and any would do.
        told = np.nan_to_num(cosines[peers])
        found = neighbourhood_distance(norms[peers], means[peers], told)
        yield "consensus_distance", found.relative


def _of_clients(
    records: Records, answered: NDArray[np.bool_], norms: Floats, means: Floats, cosines: Floats
) -> Iterator[tuple[str, float]]:
    all_told = norms.size and not np.isnan(norms).any() and not np.isnan(cosines).any()
    if all_told and np.isnan(means).all():
        examples = records.numbers["num_examples"][answered]
        yield "consensus_distance", consensus_distance(norms, cosines, examples).relative
