"""Rows about worlds: what was found of them, beside what others find, and how long nothing was."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean

from benchmarks.harness import Row, at_least, at_most
from benchmarks.streams.readers import absent
from benchmarks.worlds import peers, scoring, tracking
from benchmarks.worlds.beijing import Beijing
from benchmarks.worlds.feddrift import FedDrift
from benchmarks.worlds.quiet import Quiet
from benchmarks.worlds.runner import Played, play
from benchmarks.worlds.stroke import BREAK, CALIBRATED, MISCALIBRATED, Stroke
from benchmarks.worlds.world import Change, World

# The most rounds that a change may be found late: a month of the trial, weeks of the air.
LATEST = {
    "the main trial begins": 1,
    "heating 2013": 4,
    "Shunyi's pressure": 2,
    "emission controls": 2,
}
SOAK_SECONDS = 3_600.0
MOST_FALSE = 1.0  # incidents in 1,000 rounds without drift
PEERS_ROUNDS = 120  # of a soak: Evidently takes most of a second for each


def stroke() -> Iterator[Row]:
    """The break of March 1993: when, in which variables, and whose calibration differs."""
    world, played = Stroke(), _played("stroke")
    yield from _changes(world, played)
    broken = next(change for change in world.changes if change.first == BREAK)
    told = scoring.found(broken, played.incidents, played.rounds).incident
    named = scoring.subjects_of(told) if told else set()
    right = set(broken.subjects)
    share = len(named & right) / len(named | right)
    yield at_least("stroke: variables named, of those right or named", share, 1.0, "share")
    drifted = {
        str(verdict["scope_key"]).removeprefix("country=")
        for verdicts in played.verdicts
        for verdict in verdicts
        if verdict["scope"] == "cohort"
        and verdict["outcome"] in {"warning", "drift"}
        and str(verdict["subject"]).startswith("calibration")
    }
    found, wrong = drifted & set(MISCALIBRATED), drifted & set(CALIBRATED)
    every = len(MISCALIBRATED)
    yield at_least("stroke: countries with another calibration found", len(found), every, "of them")
    yield at_most("stroke: countries called so wrongly", len(wrong), 0, "of them")


def beijing() -> Iterator[Row]:
    """Each known change of the air: the delay, and whether its kind was told rightly."""
    yield from _changes(Beijing(), _played("beijing"))


def feddrift(stream: str, name: str) -> Iterator[Row]:
    """Recall and false alarms of clients' verdicts, held to the library's on the same matrices."""
    world = FedDrift(stream, name)
    recall, false = tracking.score(name, tracking.of_service(play(world, verdicts=True)))
    known, others = tracking.score(name, tracking.of_library(world))
    setting = f"{stream} {name} through the service"
    yield at_least(
        f"{setting}: recall within {tracking.WITHIN}, against the library", recall, known, "share"
    )
    yield at_most(f"{setting}: false alarms, against the library", false, others, "client-steps")


def quiet(rounds: int) -> Iterator[Row]:
    """Incidents where nothing drifts, and what Evidently would open on the same pooled rows.

    After `SOAK_SECONDS` it ends, and says of how many rounds it tells.
    """
    world = Quiet(rounds)
    played = play(world, seconds_at_most=SOAK_SECONDS)
    rounds = len(played.rounds)
    theirs = peers.evidently(world, min(rounds, PEERS_ROUNDS))
    ours, peer = (1e3 * len(each.incidents) / len(each.rounds) for each in (played, theirs))
    unit = "incidents in 1,000 rounds"
    yield at_most(f"no drift, 200 clients, {rounds} rounds", ours, MOST_FALSE, unit)
    mixed = [each for each in played.incidents if each["family"] == "participation"]
    yield at_most("no drift: opened by swings of participation", len(mixed), 0, "incidents")
    yield _stated(f"no drift, {rounds} rounds, beside Evidently", ours, peer, unit)
    mine, its = (1e3 * each.cpu_seconds / len(each.rounds) for each in (played, theirs))
    yield _stated("no drift: processor, beside Evidently", mine, its, "s in 1,000 rounds")


def against(name: str) -> Iterator[Row]:
    """Ours beside Evidently on pooled rows and ADWIN on the global loss, on one world."""
    world, played = WORLDS[name], _played(name)
    ours = _Score.of(world.changes, played.rounds, played.incidents, played.cpu_seconds)
    lenient = peers.let_off(world.changes)
    for tool, watch in (("Evidently", peers.evidently), ("ADWIN", peers.adwin)):
        theirs = watch(world)
        peer = _Score.of(lenient, theirs.rounds, theirs.incidents, theirs.cpu_seconds)
        what = f"{name}, beside {tool}"
        yield at_least(f"{what}: known changes found", ours.found, peer.found, "changes")
        yield at_most(f"{what}: mean delay", ours.delay, peer.delay, "rounds")
        false = ours.false, peer.false
        yield _stated(f"{what}: unexplained", *false, "incidents in 1,000 rounds")
        yield _stated(f"{what}: processor", ours.cpu_seconds, peer.cpu_seconds, "s")


WORLDS: dict[str, World] = {"stroke": Stroke(), "beijing": Beijing()}


@dataclass(frozen=True)
class _Score:
    """What a tool is worth on a world; a missed change is as late as the world goes on."""

    found: int
    delay: float
    false: float
    cpu_seconds: float

    @classmethod
    def of(
        cls,
        changes: Sequence[Change],
        rounds: Sequence[str],
        incidents: Sequence[scoring.Incident],
        cpu_seconds: float,
    ) -> "_Score":
        every = [scoring.found(change, incidents, rounds) for change in changes]
        unknown = scoring.false_alarms(incidents, changes, rounds)
        return cls(
            found=sum(each.incident is not None for each in every),
            delay=mean(_delay(each, rounds) for each in every),
            false=1e3 * len(unknown) / len(rounds),
            cpu_seconds=cpu_seconds,
        )


def _stated(what: str, ours: float, peer: float, unit: str) -> Row:
    """Ours beside a peer's for the reader to weigh: no goal, since finding nothing is cheap."""
    ratio = peer / ours if ours else float("inf")
    return Row(what, ours, peer, unit, ratio, 0.0, holds=True)


@cache
def _played(name: str) -> Played:
    missing = absent()
    if missing is not None:
        raise FileNotFoundError(f"{name} cannot be played: {missing}")
    return play(WORLDS[name], verdicts=True)


def _changes(world: World, played: Played) -> Iterator[Row]:
    name = world.setting.name
    for change in world.changes:
        what = scoring.found(change, played.incidents, played.rounds)
        told = f"{name}: {change.what}"
        late = _delay(what, played.rounds)
        yield at_most(f"{told}, found in {change.scope}", late, LATEST[change.what], "rounds late")
        yield at_least(f"{told}, told as {change.kind}", float(what.right_kind), 1.0, "of 1")
    unknown = scoring.false_alarms(played.incidents, world.changes, played.rounds)
    yield at_most(f"{name}: incidents that nothing known explains", len(unknown), 0, "incidents")


def _delay(found: scoring.Found, rounds: Sequence[str]) -> int:
    """A missed change is as late as the world goes on after it."""
    if found.delay is not None:
        return found.delay
    return sum(name > found.change.first for name in rounds) + 1
