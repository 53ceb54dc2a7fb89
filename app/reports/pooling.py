"""Rounds against a reference, scope by scope: from stored aggregates to both sides of a report."""

from collections.abc import Iterable, Sequence

from sqlmodel import Session

from app.drift import service as drift
from app.drift.tables import Reference, RoundSubject
from app.federations.tables import Federation
from app.reports.content import EVERYBODY, Sides, Trail
from app.reports.summaries import Summary, summarise
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.disclosure import FEDERATION, Scope
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import Round

MOST_ROUNDS = 100  # the newest of a longer stretch
MOST_COHORTS, MOST_TRAILS = 8, 40
ALWAYS = frozenset({"score", "label", "prediction"})


def judged(found: Iterable[Round]) -> list[Round]:
    """Those of these rounds that were judged, oldest first."""
    known = (round_ for round_ in found if round_.evaluated_at is not None)
    return sorted(known, key=lambda one: (one.global_step, one.received_at))


def stretch(
    session: Session, federation: Federation, model: str, version: str, steps: tuple[int, int]
) -> list[Round]:
    """A version's newest judged rounds between two global steps, both included; oldest first."""
    first, last = steps
    found = rounds.between(
        session,
        federation.id,
        model,
        version,
        after=first - 1,
        before=last + 1,
        limit=MOST_ROUNDS,
    )
    return judged(found)


def reference_of(session: Session, round_: Round) -> Reference | None:
    """What a round was judged against; for one that was not, what is in force before it."""
    evaluation = drift.evaluation_of(session, round_.id)
    if evaluation is not None:
        return drift.reference_of(session, round_.federation_id, evaluation.reference_id)
    newest = drift.reference_in_force(session, round_.federation_id, round_.model, round_.version)
    return newest if newest is not None and newest.last_step < round_.global_step else None


def against_reference(
    session: Session,
    federation: Federation,
    current: Sequence[Round],
    reference: Reference,
    name: str,
    scopes: Sequence[Scope] = (FEDERATION,),
    subjects: frozenset[str] | None = None,
) -> tuple[Sides, ...]:
    """Rounds, the newest last, and their reference, of each scope that both sides may show.

    What was counted on other bins than the newest round's is left out on both sides.
    """
    spec, newest = bin_specs.bins_of(session, federation, current[-1]), current[-1].bin_spec
    frozen = drift.reference_rounds(session, reference)
    before = [one for one in frozen if one.bin_spec == newest]
    now = [one for one in current if one.bin_spec == newest]
    then = f"reference {reference.number} ({len(before)} of its {len(frozen)} rounds, same bins)"
    left_out = len(current) - len(now)
    name += f" ({left_out} more had other bins)" if left_out else ""
    found = []
    for scope in scopes:
        sides = [
            _side(session, told, part, spec, scope) for told, part in ((then, before), (name, now))
        ]
        if scope == FEDERATION or all(side.rounds for side in sides):
            found.append(Sides(scope[1] or EVERYBODY, sides[0], sides[1], subjects))
    return tuple(found)


def _side(
    session: Session, name: str, of: Sequence[Round], spec: BinSpecIn | None, scope: Scope
) -> Summary:
    found = rounds.aggregates_in(session, [round_.id for round_ in of], scope)
    return summarise(name, [one for one in found if one.measured == "model"], spec)


def rows_by_series(
    session: Session, of: Sequence[Round]
) -> dict[tuple[str, str, str], list[RoundSubject]]:
    """By scope, key and subject, what was judged in these rounds, oldest first."""
    found: dict[tuple[str, str, str], list[RoundSubject]] = {}
    for row in drift.subject_rows(session, [round_.id for round_ in of]):
        found.setdefault((row.scope, row.scope_key, row.subject), []).append(row)
    return found


def trails(series: Iterable[Sequence[RoundSubject]]) -> tuple[Trail, ...]:
    """The trails of these series, the worst first: by outcome, then by effect over threshold."""
    worst = sorted(series, key=_badness, reverse=True)[:MOST_TRAILS]
    return tuple(Trail.of(rows, drift.OUTCOMES) for rows in worst)


def _badness(rows: Sequence[RoundSubject]) -> tuple[int, float]:
    return max(row.outcome for row in rows), max(row.effect_ratio or 0.0 for row in rows)
