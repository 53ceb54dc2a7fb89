"""Clients whose summaries can't be true: copies, contradictions, and what no peer comes near.

Honest clients differ, are small, and see odd data; none of that is an accusation. A finding is
either a contradiction in the client's own numbers or an event whose chance is bounded for any
honest client, whatever its distribution; lying far from all peers is weaker evidence and says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.clients.consistency import Claims, contradictions
from detectors.clients.likeness import CROWD, Likeness, likenesses
from detectors.clients.robust_merge import geometric_median
from detectors.histogram import Histogram
from detectors.multiplicity.within_round import benjamini_yekutieli

LEAST_PEERS = 8
LEAST_EXAMPLES = 30
_KINDS = 3
_MAD_TO_SD = 1.482602218505602
_MAD_EFFICIENCY = 0.37


class Implausible(StrEnum):
    """What is wrong with a client's summaries.

    `CONTRADICTION`: its numbers do not fit together. `COPY`: counts equal to a peer's. `TOO_ALIKE`:
    nearer to a peer, or to the crowd, than sampling lets different examples come. `OUTLYING`:
    farther from its peers than they are from each other; odd rather than impossible.
    """

    CONTRADICTION = "contradiction"
    COPY = "copy"
    TOO_ALIKE = "too alike"
    OUTLYING = "outlying"


@dataclass(frozen=True)
class Finding:
    """The strongest evidence against one client.

    `p_value` bounds the chance for an honest client, corrected for all that was looked at of it;
    0 is impossible. `q_value` is corrected over clients. `peer` is whom it resembles, if anyone.
    """

    client: str
    kind: Implausible
    reason: str
    p_value: float
    q_value: float
    peer: str | None = None

    @property
    def impossible(self) -> bool:
        """Whether no honest client could have sent this."""
        return self.p_value == 0


def find_implausible(claims: Mapping[str, Claims], level: float = 0.01) -> tuple[Finding, ...]:
    """Return the clients whose claims can't be true, strongest evidence first.

    The false discovery rate over clients is at most `level` under any dependence (Benjamini and
    Yekutieli), for clients that counted their own examples. Copies are looked for subject by
    subject; noise is allowed for as declared. Lying far off is judged as `outlying` says, by the
    Hellinger distance to their geometric median with sampling allowed for. Raises EdgesDifferError
    where clients used different bins for one subject, BadParameterError, and what `contradictions`
    raises.

    >>> from detectors import Histogram
    >>> counts = [312, 498, 1022, 660, 508]
    >>> claims = {c: Claims(3000, {"age": Histogram.of_categories(counts)}) for c in ("a", "b")}
    >>> [(found.client, found.kind.value, found.peer) for found in find_implausible(claims)]
    [('a', 'copy', 'b'), ('b', 'copy', 'a')]
    """
    fraction(level, "level")
    subjects = {name: None for each in claims.values() for name in each.histograms}
    suspicions = _against(claims, list(subjects))
    strongest = [min(found, key=lambda each: each.p_value) for found in suspicions.values()]
    q_values = benjamini_yekutieli([each.p_value for each in strongest])
    findings = [
        Finding(client, each.kind, each.reason, each.p_value, float(q), each.peer)
        for client, each, q in zip(suspicions, strongest, q_values, strict=True)
        if q <= level
    ]
    return tuple(sorted(findings, key=lambda each: each.p_value))


@dataclass(frozen=True)
class _Suspicion:
    kind: Implausible
    reason: str
    p_value: float
    peer: str | None = None

    def times(self, looks: int) -> "_Suspicion":
        corrected = min(1.0, self.p_value * looks)
        return _Suspicion(self.kind, self.reason, corrected, self.peer)


_NOTHING = _Suspicion(Implausible.OUTLYING, "nothing was found", 1.0)


def _against(claims: Mapping[str, Claims], subjects: list[str]) -> dict[str, list[_Suspicion]]:
    """Return what speaks against each client, corrected for kinds, subjects and identities."""
    found: dict[str, list[_Suspicion]] = {client: [_NOTHING] for client in claims}
    for client, each in claims.items():
        broken = contradictions(each)
        for one in broken:
            suspicion = _Suspicion(Implausible.CONTRADICTION, one.reason, one.p_value)
            found[client].append(suspicion.times(_KINDS * len(broken)))
    for subject in subjects:
        histograms = {
            c: e.histograms[subject] for c, e in claims.items() if subject in e.histograms
        }
        for client, suspicion in _among_peers(subject, histograms):
            found[client].append(suspicion.times(_KINDS * len(subjects)))
    return found


def _among_peers(
    subject: str, histograms: Mapping[str, Histogram]
) -> Iterator[tuple[str, _Suspicion]]:
    for client, likeness in likenesses(histograms).items():
        yield client, _alike(subject, likeness)
    for client, p_value in outlying(histograms).items():
        reason = f"{subject} lies farther from the clients' centre than theirs do"
        yield client, _Suspicion(Implausible.OUTLYING, reason, p_value)


def _alike(subject: str, likeness: Likeness) -> _Suspicion:
    peer = None if likeness.peer == CROWD else likeness.peer
    if likeness.copied:
        reason = f"every count of {subject} is that of {likeness.peer}"
        return _Suspicion(Implausible.COPY, reason, likeness.p_value, peer)
    reason = f"{subject} is nearer to {likeness.peer} than sampling lets it come"
    return _Suspicion(Implausible.TOO_ALIKE, reason, likeness.p_value, peer)


def outlying(histograms: Mapping[str, Histogram]) -> dict[str, float]:
    """Return a p-value a client for lying farther from the centre than clients do.

    The squared Hellinger distance to the geometric median, over what clients' variety and the
    client's own sampling and noise explain, is about normal after a cube root (Wilson & Hilferty
    1931); it is compared with the clients' median and MAD, by Student's t with 0.37 (K - 1) degrees
    of freedom, the MAD's efficiency. The MAD is at least what a chi-square of (bins - 1) degrees
    gives, since small counts tie. Clients with under 30 examples are left out; under 8 nobody is
    judged. A subject that parts clients by design, such as their country, makes honest ones odd.
    Raises EdgesDifferError.
    """
    counted = {name: each for name, each in histograms.items() if each.total >= LEAST_EXAMPLES}
    if len(counted) < LEAST_PEERS:
        return {}
    parts = list(counted.values())
    for part in parts[1:]:
        parts[0].require_same_bins(part)
    roots = np.array([_root_shares(each) for each in parts])
    centre = geometric_median(roots, np.array([each.total for each in parts]))
    distances = ((roots - centre) ** 2).sum(axis=1) / 2
    sampling = np.array([_expected(each) for each in parts])
    variety = max(float(np.median(distances - sampling)), 0.0)
    least = (2 / 9 / (roots.shape[1] - 1)) ** 0.5
    scores = _robust_scores(np.cbrt(distances / (variety + sampling)), least)
    degrees = _MAD_EFFICIENCY * (len(parts) - 1)
    return dict(zip(counted, scipy.special.stdtr(degrees, -scores).tolist(), strict=True))


def _root_shares(histogram: Histogram) -> FloatArray:
    counts = np.maximum(histogram.counts, 0.0)
    return np.asarray(np.sqrt(counts / counts.sum()), dtype=np.float64)


def _expected(histogram: Histogram) -> float:
    """Return the squared Hellinger distance that sampling and declared noise make on their own."""
    counts = np.maximum(histogram.counts, 1.0)
    noise = float(np.sum(histogram.noise_sd**2 / counts)) / histogram.total
    return ((counts.size - 1) / histogram.total + noise) / 8


def _robust_scores(values: FloatArray, least: float) -> FloatArray:
    middle = float(np.median(values))
    spread = _MAD_TO_SD * float(np.median(np.abs(values - middle)))
    return np.asarray((values - middle) / max(spread, least), dtype=np.float64)
