"""`vigie watch`: rounds, verdicts and incidents as they come."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected

if TYPE_CHECKING:
    from vigie_client import VigieApi

Event = tuple[str, Mapping[str, Any]]
"""What happened (`round`, `verdicts` or `incident`), and the facts of it."""

LOOKED_AT = 200  # of the newest rounds and incidents
_COLOURS = {"drift": "red", "critical": "red", "warning": "yellow", "resolved": "green"}


def watch(
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    as_json: Json = False,
) -> None:
    """Follow rounds, their verdicts and incidents until Ctrl-C.

    With --json, every line is an object with `event` (round, verdicts or incident) and its facts.
    A service that stops answering is waited for.

    For example:

        vigie watch -f flights --model late-arrival

        vigie watch -f flights --json | jq 'select(.event == "incident")'
    """
    with connected(url, key, federation) as api:
        follower = Follower(api, model)
        try:
            follower.begin()
            typer.secho(f"Watching {federation} at {url} (Ctrl-C stops).", err=True, dim=True)
            _follow(follower, every, as_json=as_json)
        except KeyboardInterrupt:
            typer.secho("Stopped.", err=True, dim=True)


def _follow(follower: "Follower", every: float, *, as_json: bool) -> None:
    from vigie_client import Backoff, VigieError, VigieUnreachable  # noqa: PLC0415 - when used

    backoff, failures = Backoff(most=30.0), 0
    while True:
        try:
            for event in follower.look():
                _print(event, as_json=as_json)
            failures, delay = 0, every
        except (VigieError, VigieUnreachable) as error:
            if not error.transient:
                raise
            failures += 1
            delay = max(every, backoff.delay(failures, error))
            typer.secho(f"No answer; next look in {delay:.0f} s: {error}", fg="yellow", err=True)
        time.sleep(delay)


class Follower:
    """What is new since the last look, from newest rounds and incidents alone."""

    def __init__(self, api: "VigieApi", model: str | None) -> None:
        self._api, self._model = api, model
        self._rounds: dict[str, str] = {}
        self._incidents: dict[str, str] = {}

    def begin(self) -> None:
        """Take what is there by now as known; rounds that are not judged yet will be."""
        self._rounds = {str(round_["id"]): str(round_["state"]) for round_ in self._newest()}
        self._incidents = {
            str(incident["id"]): _standing(incident) for incident in self._newest_incidents()
        }

    def look(self) -> Iterator[Event]:
        """What happened since, oldest first; an event is remembered once it was taken."""
        for round_ in reversed(self._newest()):
            yield from self._round(round_)
        for incident in reversed(self._newest_incidents()):
            standing = _standing(incident)
            if self._incidents.get(str(incident["id"])) != standing:
                yield "incident", incident
                self._incidents[str(incident["id"])] = standing

    def _round(self, round_: Mapping[str, Any]) -> Iterator[Event]:
        at, state = str(round_["id"]), str(round_["state"])
        before = self._rounds.get(at)
        if before is None:
            yield "round", round_
        if state == "evaluated" and before != state:
            yield "verdicts", {"round": round_, **self._judged(at)}
        self._rounds[at] = state

    def _judged(self, round_id: str) -> dict[str, Any]:
        """The verdicts on a round, and why those drift that do."""
        verdicts = self._api.verdicts(round_id)
        drifts = any(verdict["outcome"] == "drift" for verdict in verdicts)
        why = self._api.explanations(round_id) if drifts else []
        return {"verdicts": verdicts, "explanations": why}

    def _newest(self) -> list[dict[str, Any]]:
        return self._api.rounds(model=self._model, limit=LOOKED_AT)

    def _newest_incidents(self) -> list[dict[str, Any]]:
        found = self._api.incidents(limit=LOOKED_AT)
        return [each for each in found if self._model in (None, each["model"])]


def _standing(incident: Mapping[str, Any]) -> str:
    return f"{incident['state']} {incident['severity']}"


def _print(event: Event, *, as_json: bool) -> None:
    kind, facts = event
    if as_json:
        typer.echo(json.dumps({"event": kind, **facts}))
        return
    for line, colour in _LINES[kind](facts):
        typer.secho(line, fg=_COLOURS.get(colour))


def _round_lines(round_: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        f"step {round_['global_step']}  {round_['model']} {round_['version']}  {round_['phase']} "
        f"round {round_['number']} of {round_['run']}: {round_['accepted']} accepted, "
        f"{round_['quarantined']} in quarantine",
        "",
    )


def _verdict_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    step, verdicts = facts["round"]["global_step"], facts["verdicts"]
    outcomes = [verdict["outcome"] for verdict in verdicts]
    counted = ", ".join(f"{outcomes.count(each)} {each}" for each in sorted(set(outcomes)))
    yield f"step {step}  judged: {counted or 'no verdicts'}", ""
    for verdict in verdicts:
        if verdict["outcome"] in {"warning", "drift"}:
            yield f"step {step}    {_verdict(verdict)}", verdict["outcome"]
    for explanation in facts["explanations"]:
        yield f"step {step}    why: {explanation['sentence']}", ""


def _verdict(verdict: Mapping[str, Any]) -> str:
    where = " ".join(part for part in (verdict["scope"], verdict["scope_key"]) if part)
    told = f"{verdict['outcome']}: {verdict['subject']} ({where})"
    if verdict["effect"] is not None:
        told += f", effect {verdict['effect']:.3g} {verdict['effect_unit']}".rstrip()
    if verdict["p_value"] is not None:
        told += f", p {verdict['p_value']:.2g}"
    return told


def _incident_lines(incident: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    state = incident["state"]
    told = f"step {incident['last_step']}  incident {state}: {incident['title']}"
    yield (
        f"{told} ({incident['severity']}, {incident['id']})",
        (state if state == "resolved" else incident["severity"]),
    )


_LINES = {"round": _round_lines, "verdicts": _verdict_lines, "incident": _incident_lines}
