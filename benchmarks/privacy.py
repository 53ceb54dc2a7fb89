"""Attacks on what Vigie shows: differencing and membership, with the gate and without.

`python -m benchmarks.privacy --json` runs all of them, seeded, in under two minutes.

Forty clients of 1,000 examples each, whose error rates vary around 0.2 by a standard deviation of
0.02, and k = 5. Somebody who reads all that is shown (`app.rounds.aggregating`) and knows the tags
of all clients asks a question about one client; in half of the trials the answer is yes. The AUC of
their best score says how well they tell: 0.5 is guessing. Three readings:

- open: every cohort, exact (k = 1);
- threshold: cohorts of fewer than k clients are left out, and that is all;
- gate: what Vigie shows.

The questions:

- differencing: is the error rate of the only client of a cohort high (one standard deviation above
  the mean, or below it)? The other cohorts and the federation are subtracted from each other.
- nesting: the same of the client by which a region differs from the hubs that are shown in it.
- two rounds: the same of a client that is in the first round and not in the second, while all the
  others send the same again (the worst case: an evaluation on data that does not change).
- two rounds, far out: the same where that client is five standard deviations off.
- membership: is the client, whose own error rate is known, in the cohort of one, or another?
- whole record: did the client, whose histogram of 20 bins is known exactly, take part in the round?
  Here no group is small, and the gate is not meant to help: only noise is (`privacy` in a push).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from uuid import UUID

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from app.core import clock
from app.rounds.aggregating import aggregates
from app.rounds.layout import COHORT
from app.rounds.records import Counted, Records, pseudonyms
from app.rounds.tables import Round, RoundAggregate
from benchmarks.harness import Case, Row, at_least, at_most, main

TRIALS = 400
CLIENTS, EXAMPLES, K, BINS = 40, 1000, 5, 20
MEAN, SPREAD = 0.2, 0.02
NEAR_GUESSING, TELLING = 0.6, 0.9
ROUND_ID = UUID(int=1)
READINGS = ("open", "threshold", "gate")

Rates = NDArray[np.float64]
Tags = Mapping[int, Mapping[str, str]]
Shown = Mapping[str, RoundAggregate]  # by scope key, "" for the federation


@dataclass(frozen=True)
class Attack:
    """A question about one client: a trial gives the attacker's score for a yes, and for a no."""

    name: str
    score: Callable[[Generator, bool, str], float]


def auc(attack: Attack, reading: str) -> float:
    """The probability that a yes scores above a no."""
    rng = default_rng(len(attack.name))
    pairs = rng.integers(0, 2**32, TRIALS // 2)
    yes, no = (
        np.array([attack.score(default_rng([seed, answer]), answer, reading) for seed in pairs])
        for answer in (True, False)
    )
    above = (yes[:, None] > no[None, :]).mean() + 0.5 * (yes[:, None] == no[None, :]).mean()
    return float(above)


def reading_of(rates: Rates, tags: Tags, reading: str, counts: Rates | None = None) -> Shown:
    """What is shown of a round in which each client had this error rate; NaN did not take part."""
    there = ~np.isnan(rates)
    k = K if reading == "gate" else 1
    records = _records(np.asarray(rates)[there], np.flatnonzero(there), tags, counts)
    found = {one.scope_key: one for one in aggregates(_round(), records, k)}
    least = K if reading == "threshold" else 1
    return {key: one for key, one in found.items() if one.clients >= least}


def _records(
    rates: NDArray[np.float64], clients: NDArray[np.intp], tags: Tags, counts: Rates | None
) -> Records:
    names = sorted({tag for told in tags.values() for tag in told})
    examples = np.full(len(rates), float(EXAMPLES))
    scores = {} if counts is None else {"score_histogram": _counted(np.asarray(counts)[clients])}
    return Records(
        pseudonyms(f"c_{client:032x}" for client in clients.tolist()),
        {
            f"{COHORT}{tag}": np.array(
                [tags.get(client, {}).get(tag, "") for client in clients.tolist()], dtype=np.str_
            )
            for tag in names
        },
        {"num_examples": examples, "metrics.correct_count": examples * (1 - rates)},
        scores,
    )


def _counted(counts: NDArray[np.float64]) -> Counted:
    return Counted(counts, np.ones(len(counts), dtype=np.bool_))


def _round() -> Round:
    at = clock.now()
    return Round(
        id=ROUND_ID,
        federation_id=ROUND_ID,
        run="run",
        number=1,
        phase="evaluate",
        attempt=1,
        global_step=1,
        model="model",
        version="1",
        started_at=at,
        ended_at=at,
        envelope={},
        body_sha256="",
        accepted=CLIENTS,
        quarantined=0,
        received_at=at,
    )


def rate_of(shown: RoundAggregate) -> float:
    """A scope's error rate."""
    return 1 - shown.correct_count / shown.correct_examples


def errors(shown: Shown, keys: Iterable[str]) -> tuple[float, int]:
    """The sum of clients' error rates over these scopes, as far as they are shown; of how many."""
    found = [shown[key] for key in keys if key in shown]
    return sum(rate_of(one) * one.clients for one in found), sum(one.clients for one in found)


def _rates(rng: Generator) -> Rates:
    return rng.normal(MEAN, SPREAD, CLIENTS)


def _secret(rng: Generator, answer: bool, spreads: float = 1) -> Rates:
    """Error rates of all; that of client 0 is high or low by so many standard deviations."""
    rates = _rates(rng)
    rates[0] = MEAN + spreads * (SPREAD if answer else -SPREAD)
    return rates


def _rest(shown: Shown, tag: str) -> float:
    """The mean error rate of whom no shown cohort of a tag contains, by subtraction."""
    total, everyone = errors(shown, [""])
    inside, known = errors(shown, [key for key in shown if key.startswith(f"{tag}=")])
    return (total - inside) / (everyone - known) if everyone > known else total / everyone


HUBS = {client: {"hub": "D" if client == 0 else "ABC"[client % 3]} for client in range(CLIENTS)}


def _differencing(rng: Generator, answer: bool, reading: str) -> float:
    shown = reading_of(_secret(rng, answer), HUBS, reading)
    return rate_of(shown["hub=D"]) if "hub=D" in shown else _rest(shown, "hub")


# The hubs A and B make up the region N, but for client 0, whose hub reaches into the region S.
_REGIONS = {"A": "N", "B": "N", "C": "S"}
NESTED = {
    client: {"hub": "C", "region": "N"}
    if client == 0
    else {"hub": "ABC"[client % 3], "region": _REGIONS["ABC"[client % 3]]}
    for client in range(CLIENTS)
}


def _nesting(rng: Generator, answer: bool, reading: str) -> float:
    shown = reading_of(_secret(rng, answer), NESTED, reading)
    if {"region=N", "hub=A", "hub=B"} <= shown.keys():
        inside, some = errors(shown, ["region=N"])
        known, others = errors(shown, ["hub=A", "hub=B"])
        return (inside - known) / (some - others)
    # Else the smallest group with the client in it that is shown.
    groups = [shown[key] for key in ("hub=C", "region=N", "") if key in shown]
    return rate_of(min(groups, key=lambda one: one.clients))


def _two_rounds(rng: Generator, answer: bool, reading: str, spreads: float = 1) -> float:
    rates = _secret(rng, answer, spreads)
    before = errors(reading_of(rates, {}, reading), [""])[0]
    rates[0] = np.nan
    return before - errors(reading_of(rates, {}, reading), [""])[0]


def _membership(rng: Generator, answer: bool, reading: str) -> float:
    rates = _rates(rng)
    known = rates[0] if answer else float(rng.normal(MEAN, SPREAD))
    shown = reading_of(rates, HUBS, reading)
    guess = rate_of(shown["hub=D"]) if "hub=D" in shown else _rest(shown, "hub")
    return -abs(guess - known)


def _whole_record(rng: Generator, answer: bool, reading: str) -> float:
    """How far the sum leans from the mean to the record (Homer et al. 2008, PLoS Genetics 4)."""
    counts = rng.dirichlet(np.ones(BINS), CLIENTS + 1) * EXAMPLES
    shown = reading_of(np.full(CLIENTS, MEAN), {}, reading, counts)
    known = counts[0] if answer else counts[CLIENTS]
    total = np.array(shown[""].counts["score_histogram"]["sum"])
    usual = 1 / BINS
    return float((total / total.sum() - usual) @ (known / EXAMPLES - usual))


ATTACKS = (
    Attack("differencing", _differencing),
    Attack("nesting", _nesting),
    Attack("two rounds", _two_rounds),
    Attack("membership", _membership),
)


# What the gate does not promise to stop: a client far out, and a record known in full.
BEYOND = (
    Attack("two rounds, far out", partial(_two_rounds, spreads=5)),
    Attack("whole record", _whole_record),
)


@cache
def measured(attack: Attack) -> Mapping[str, float]:
    """The AUC of an attack on each reading."""
    return {reading: auc(attack, reading) for reading in READINGS}


def rows(attack: Attack) -> Iterator[Row]:
    """The AUC with the gate, near 0.5, and without, clearly above it."""
    found = measured(attack)
    yield at_most(f"{attack.name}: with the gate", found["gate"], NEAR_GUESSING, "AUC")
    yield at_least(f"{attack.name}: with a threshold alone", found["threshold"], TELLING, "AUC")
    yield at_least(f"{attack.name}: with no gate", found["open"], TELLING, "AUC")


def stated(attack: Attack) -> Iterator[Row]:
    """The AUC with the gate beside that without: no worse, and that is all."""
    found = measured(attack)
    ratio = found["open"] / found["gate"]
    what = f"{attack.name}: with the gate, beside none"
    yield Row(what, found["gate"], found["open"], "AUC", ratio, 1.0, ratio >= 1)


CASES = [
    *(Case(attack.name, partial(rows, attack)) for attack in ATTACKS),
    *(Case(attack.name, partial(stated, attack)) for attack in BEYOND),
]

if __name__ == "__main__":
    main("privacy", CASES)
