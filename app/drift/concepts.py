"""Which clients came under another concept: confusion matrices followed round by round.

A client that leaves one foreign concept for another drifts before and after; only since when it is
as it is tells them apart. `judge_round` follows that for all clients together, and borrows from
those in the same state. Its error budget is a chance of a false alarm for each client and round; a
drift is told in the round of the alarm, when the errors changed by a practical effect, too. All
clients are taken at once, so it is for federations of few. Examples have to be independent of each
other: where the reference's rounds differ more than that explains, nobody is followed.
"""

from typing import Self

import msgspec
import numpy as np
import scipy.special
from numpy.typing import NDArray
from sqlmodel import Session

from app.drift import measuring, streams
from app.drift.client_findings import DRIFT, STABLE, Answers, ClientFindings, Missing
from app.drift.clients import missing_of
from app.drift.findings import Case
from app.drift.measurements import Floats, RoundMeasure
from app.drift.tables import Reference
from app.federations.tables import Federation
from app.rounds.records import PSEUDONYM, Pseudonyms
from app.rounds.tables import Round
from detectors import judge_round

CONCEPTS = -4  # the shard of what is kept of concepts for a reference
DETECTOR, SUBJECT = "concept", "error_rate"
MOST_CLIENTS = 128
MOST_ROUNDS = 24  # that are kept; what was before them is forgotten
LEAST_ROUNDS = 2  # of which the newest is compared with those before
OVERDISPERSED = 1e-3  # a p-value
ALPHA = 2e-4  # of a false alarm, for each client in each round


class Concepts(msgspec.Struct):
    """Matrices of shape (rounds, clients, classes, classes), and since when each client is so.

    `starts` is since when it was as it was before.
    """

    clients: bytes
    classes: int
    matrices: bytes
    onsets: list[int]
    starts: list[int]

    @classmethod
    def begun(cls, clients: Pseudonyms, classes: int) -> Self:
        """Before any round."""
        return cls(clients.tobytes(), classes, b"", [0] * len(clients), [0] * len(clients))

    @property
    def rounds(self) -> Floats:
        """The matrices."""
        flat = np.frombuffer(self.matrices, np.float64)
        return flat.reshape(-1, len(self.onsets), self.classes, self.classes)

    def take(self, measure: RoundMeasure) -> NDArray[np.bool_]:
        """Take in a round; for which clients it tells that their concept moved."""
        told = np.concatenate((self.rounds, self.of(measure)[np.newaxis]))[-MOST_ROUNDS:]
        forgotten = len(self.rounds) + 1 - len(told)
        self.matrices = told.tobytes()
        onsets, starts = (
            np.maximum(np.array(each, dtype=np.intp) - forgotten, 0)
            for each in (self.onsets, self.starts)
        )
        self.onsets, self.starts = onsets.tolist(), starts.tolist()
        if len(told) < LEAST_ROUNDS or not told[:-1].any():
            return np.zeros(len(onsets), dtype=np.bool_)
        judged = judge_round(told, onsets, noise_sd=measure.noise_sd, alpha=ALPHA)
        self.onsets = judged.onsets.tolist()
        self.starts = np.where(judged.alarms, onsets, starts).tolist()
        return judged.alarms

    def effects(self) -> Floats:
        """By how much each client's errors changed at its onset, given what was predicted.

        The larger change of all predictions, signed; 0 for a client that did not change.
        """
        at = np.arange(len(self.rounds))[:, np.newaxis]
        later = at >= np.array(self.onsets)
        earlier = ~later & (at >= np.array(self.starts))
        before, after = (
            _errors(np.einsum("tk,tkij->kij", side, self.rounds)) for side in (earlier, later)
        )
        change = np.nan_to_num(after - before)
        largest = np.argmax(np.abs(change), axis=1)
        effects: Floats = np.take_along_axis(change, largest[:, np.newaxis], axis=1)[:, 0]
        return effects

    def of(self, measure: RoundMeasure) -> Floats:
        """The round's matrices by client; zeros for those that told none."""
        clients = np.frombuffer(self.clients, PSEUDONYM)
        matrices = np.zeros((len(clients), self.classes, self.classes))
        told = measure.confusions
        if told is not None and told.shape[1] == self.classes:
            known = np.isin(measure.clients, clients)
            matrices[np.searchsorted(clients, measure.clients[known])] = told[known]
        return matrices


def resume(
    session: Session, federation: Federation, case: Case, round_: Round, reference: Reference
) -> Concepts | None:
    """How concepts stood before a round; None where they are not followed."""
    told = case.current.confusions
    if told is None or reference.shards > 1 or len(case.known.clients) > MOST_CLIENTS:
        return None
    if overdispersed(case):
        return None
    stored, missed = streams.stored(session, reference, CONCEPTS, round_)
    earlier = measuring.measure(session, federation, missed, round_.version)
    if stored is None:
        concepts = Concepts.begun(case.known.clients, told.shape[1])
        earlier = [*case.reference, *earlier]
    else:
        concepts = msgspec.msgpack.decode(stored, type=Concepts)
    for measure in earlier:
        concepts.take(measure)
    return concepts


def overdispersed(case: Case) -> bool:
    """Whether clients' errors differ more between the reference's rounds than examples do.

    Pearson's chi-square, summed over clients and predictions.
    """
    assert case.current.confusions is not None  # which is asked before
    begun = Concepts.begun(case.known.clients, case.current.confusions.shape[-1])
    rounds = np.array([begun.of(measure) for measure in case.reference])
    n = rounds.sum(axis=2)
    wrong = n - np.diagonal(rounds, axis1=2, axis2=3)
    rate = wrong.sum(axis=0) / np.maximum(n.sum(axis=0), 1.0)
    variance = n * rate * (1 - rate)
    told = variance > 0
    squares = float(((wrong - n * rate)[told] ** 2 / variance[told]).sum())
    freedom = float(np.maximum(told.sum(axis=0) - 1, 0).sum())
    return freedom > 0 and float(scipy.special.chdtrc(freedom, squares)) < OVERDISPERSED


def judge_concepts(case: Case, concepts: Concepts) -> ClientFindings:
    """The answers on the known clients that took part; `concepts` move on by the round."""
    alarms, effects = concepts.take(case.current), concepts.effects()
    followed = np.frombuffer(concepts.clients, PSEUDONYM)
    places = case.places_after[-1]
    clients = case.known.clients[places[places >= 0]]
    at = np.searchsorted(followed, clients)
    judged = case.judged(SUBJECT)
    untold = np.full(len(clients), np.nan)
    lacking = missing_of(case)
    moved = alarms[at] & (np.abs(effects[at]) >= judged.effect)
    return ClientFindings.undecided(
        SUBJECT,
        DETECTOR,
        judged.unit,
        judged.effect,
        clients,
        Answers(effects[at], effects[at], untold, untold),
        # There is no median to wait for.
        np.where(lacking == Missing.FEW_ROUNDS_SINCE, Missing.NOTHING, lacking).astype(np.int8),
        np.where(moved, DRIFT, STABLE).astype(np.int8),
    )


def without(data: bytes, clients: Pseudonyms) -> bytes | None:
    """Kept concepts without these clients; None if none of them is there."""
    concepts = msgspec.msgpack.decode(data, type=Concepts)
    followed = np.frombuffer(concepts.clients, PSEUDONYM)
    stay = ~np.isin(followed, clients)
    if stay.all():
        return None
    onsets, starts = (np.array(each)[stay].tolist() for each in (concepts.onsets, concepts.starts))
    matrices = np.ascontiguousarray(concepts.rounds[:, stay]).tobytes()
    kept = Concepts(followed[stay].tobytes(), concepts.classes, matrices, onsets, starts)
    return msgspec.msgpack.encode(kept)


def _errors(matrices: Floats) -> Floats:
    """The share of each prediction that was wrong, (clients, classes); NaN where none was."""
    predicted = matrices.sum(axis=1)
    right = np.diagonal(matrices, axis1=1, axis2=2)
    untold = np.full(right.shape, np.nan)
    wrong: Floats = 1 - np.divide(right, predicted, out=untold, where=predicted > 0)
    return wrong
