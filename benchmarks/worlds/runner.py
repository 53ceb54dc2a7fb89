"""Plays a world through the whole service, and says what became of it.

`python -m benchmarks.worlds.runner stroke` prints the incidents; `--verdicts` the rounds in which
each subject drifted, too.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from vigie_client import Bins

from benchmarks.worlds import scoring, service
from benchmarks.worlds.beijing import Beijing
from benchmarks.worlds.feddrift import FedDrift
from benchmarks.worlds.quiet import Quiet
from benchmarks.worlds.stroke import Stroke
from benchmarks.worlds.world import World, pseudonym

Line = dict[str, Any]
PROGRESS = 100  # rounds


@dataclass(frozen=True)
class Played:
    """The names of a world's rounds, its incidents, and verdicts by round if they were asked for.

    `seconds` is the time, and `cpu_seconds` the processor's, from the first push to the last
    judgement, without what making the rounds took.
    """

    rounds: Sequence[str]
    incidents: Sequence[Line]
    verdicts: Sequence[Sequence[Line]]
    seconds: float
    cpu_seconds: float

    def name_of(self, step: int) -> str:
        """The round of a global step."""
        return self.rounds[step - 1]


def play(
    world: World,
    *,
    rounds: int | None = None,
    policy: Mapping[str, Any] | None = None,
    verdicts: bool = False,
    seconds_at_most: float = float("inf"),
) -> Played:
    """Push a world's rounds (or the first so many) one by one, each judged before the next.

    `policy` stands in for the world's own; `verdicts` asks for those of every round, clients' own
    among them. No round begins once `seconds_at_most` are over; how far a long history has come is
    printed on stderr.
    """
    setting = world.setting if policy is None else replace(world.setting, policy=policy)
    names, told = [], []
    seconds = cpu_seconds = 0.0
    bins = Bins(setting.bin_spec)
    clients: dict[str, str] = {}
    with service.in_process(setting) as running:
        for step, each in enumerate(islice(world.rounds(), rounds), 1):
            clients |= {pseudonym(one.client): one.client for one in each.clients}
            records = each.records(bins)
            start, cpu_start = time.perf_counter(), time.process_time()
            round_id = running.push(step, records, each.started_at, each.ended_at)
            seconds += time.perf_counter() - start
            cpu_seconds += time.process_time() - cpu_start
            names.append(each.name)
            if verdicts:
                told.append([_named(line, clients) for line in running.verdicts(round_id)])
            if step % PROGRESS == 0:
                print(f"  {step} rounds in {seconds:.0f} s", file=sys.stderr, flush=True)
            if seconds > seconds_at_most:
                break
        found = [_named(line, clients) for line in running.incidents()]
    return Played(names, found, told, seconds, cpu_seconds)


def _named(line: Line, clients: Mapping[str, str]) -> Line:
    """A line about a client under the name that the world gives it."""
    return line | {"scope_key": clients.get(line["scope_key"], line["scope_key"])}


def describe(played: Played) -> None:
    """Print a line for each incident."""
    print(f"{len(played.rounds)} rounds in {played.seconds:.1f} s")
    for incident in played.incidents:
        where = " ".join(filter(None, (incident["scope"], incident["scope_key"])))
        steps = [played.name_of(incident[name]) for name in ("opened_step", "last_step")]
        print(
            f"{steps[0]} to {steps[1]}: {incident['severity']}, {incident['family']}, {where}, "
            f"{incident['subject']} ({incident['state']} {incident['resolution'] or ''}): "
            f"{incident['title']}"
        )
        print(f"    {', '.join(sorted(scoring.subjects_of(incident)))}")


def describe_changes(world: World, played: Played) -> None:
    """Print what became of each known change, and which incidents nothing known explains."""
    for change in world.changes:
        what = scoring.found(change, played.incidents, played.rounds)
        late = "missed" if what.delay is None else f"found {what.delay} rounds late"
        kind = "" if what.incident is None or what.right_kind else ", as another kind"
        print(f"{change.what}, {change.first}, {change.scope}, {change.kind}: {late}{kind}")
    unknown = scoring.false_alarms(played.incidents, world.changes, played.rounds)
    print(f"{len(unknown)} incidents that nothing known explains")


def describe_verdicts(played: Played) -> None:
    """Print, for each subject and scope, in which rounds it drifted."""
    drifted: dict[tuple[str, str, str, str], list[str]] = {}
    for name, verdicts in zip(played.rounds, played.verdicts, strict=True):
        for verdict in verdicts:
            if verdict["outcome"] == "drift":
                place = ("scope", "scope_key", "subject", "detector")
                key = tuple(str(verdict[field]) for field in place)
                drifted.setdefault(key, []).append(name)  # type: ignore[arg-type]
    for key, names in sorted(drifted.items()):
        print(f"{' '.join(key)}: {len(names)} rounds, {', '.join(names[:12])}")


WORLDS: Mapping[str, Callable[[], World]] = {
    "stroke": Stroke,
    "beijing": Beijing,
    "feddrift": FedDrift,
    "quiet": Quiet,
}


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worlds.runner")
    parser.add_argument("world", choices=sorted(WORLDS))
    parser.add_argument("--rounds", type=int, metavar="N", help="the first N rounds only")
    parser.add_argument(
        "--policy", type=json.loads, metavar="JSON", help="a policy to be judged by"
    )
    parser.add_argument("--verdicts", action="store_true", help="print what drifted when")
    asked = parser.parse_args()
    world = WORLDS[asked.world]()
    played = play(world, rounds=asked.rounds, policy=asked.policy, verdicts=asked.verdicts)
    describe(played)
    describe_changes(world, played)
    if asked.verdicts:
        describe_verdicts(played)


if __name__ == "__main__":
    _main()
