"""Plays the year: every part of the loop for real, over HTTP, on the embedded service."""

import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigie_client import Pseudonyms, VigieClientError

from demo import summary
from demo.fl_server import FEDERATION, MODEL, FlServer
from demo.flights import WEEKS, MissingFlightsError, Year, load
from demo.reports import COHORT_TAG, COHORTS
from demo.service import DemoError, Person, Service, pseudonym_key, running
from demo.story import Story

REFERENCE_WEEKS = range(8)
# Canary weeks until the owner asks for a decision whatever the evidence says.
MOST_CANARY_WEEKS = 4
SETTLE_SECONDS, POLL_SECONDS = 60.0, 0.05
OWNER, VALIDATOR = "Olive", "Vera"
TITLE = "Flights from New York, 2013"


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    data_dir: Path | None
    yes: bool
    keep: bool
    json_file: Path | None
    seed: int


@dataclass
class Served:
    """Which versions serve: the champion, what runs beside it, and how it came to be."""

    champion: str
    candidate: str | None = None
    previous: str | None = None
    canary_weeks: int = 0
    reigns: list[tuple[str, int]] = field(default_factory=list)  # champion, first week
    first_promotion: tuple[str, int] | None = None  # version, last week before it served

    @property
    def beside(self) -> str | None:
        """The version measured on the same flights: the candidate, else the last champion."""
        return self.candidate or self.previous


def play(options: Options) -> int:
    """Play the demo; the exit code of the command."""
    story = Story()
    # A demo that is told to end takes its service along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _data_dir(options) as data_dir:
            _play_in(data_dir, options, story)
    except (DemoError, MissingFlightsError, VigieClientError) as error:
        story.line(str(error), style="bold red")
        return 1
    except KeyboardInterrupt:
        story.line("Stopped.")
        return 130
    return 0


@contextlib.contextmanager
def _data_dir(options: Options) -> Iterator[Path]:
    if options.data_dir is not None:
        yield options.data_dir.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="vigie-demo-") as folder:
        yield Path(folder)


def _play_in(data_dir: Path, options: Options, story: Story) -> None:
    stages = summary.Stages()
    with contextlib.ExitStack() as stack:
        story.heading("A year of flights from New York, watched by Vigie")
        with stages.stage("start"):
            year = load()
            service = stack.enter_context(running(data_dir))
        play = Play(options, story, stages, year, service, founded(service))
        stack.callback(play.close)
        story.line(f"The service runs at {service.url}; its data is in {service.data_dir}")
        play.whole_year()
        if options.keep:
            _keep(service, play, story)


def _keep(service: Service, play: "Play", story: Story) -> None:
    story.heading(f"The console is at {service.url}")
    story.line(f"Sign in as {OWNER} (owner) with      {play.owner.key}")
    story.line(f"or as {VALIDATOR} (validator) with     {play.validator.key}")
    story.line("Ctrl-C stops the service.")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


@dataclass(frozen=True)
class Keys:
    """The API keys of the federation's people and of its FL server."""

    owner: str
    validator: str
    ingest: str


def founded(service: Service) -> Keys:
    """Found the federation with the first admin's key; everybody's own key."""
    admin = Person(service, "admin", service.admin_key)
    tags = {COHORT_TAG: list(COHORTS)}
    admin.post("", {"name": FEDERATION, "title": TITLE, "cohort_tags": tags})

    def key(holder: str, role: str) -> str:
        made = admin.post(f"/{FEDERATION}/keys", {"holder": holder, "role": role})
        return str(made["key"])

    keys = Keys(key(OWNER, "owner"), key(VALIDATOR, "validator"), key("FedAvg server", "ingest"))
    admin.close()
    return keys


class Play:
    """The federation's people and its FL server, and what they do week by week."""

    def __init__(
        self,
        options: Options,
        story: Story,
        stages: summary.Stages,
        year: Year,
        service: Service,
        keys: Keys,
    ) -> None:
        self.options, self.story, self.stages, self.year = options, story, stages, year
        self.owner = Person(service, OWNER, keys.owner)
        self.validator = Person(service, VALIDATOR, keys.validator)
        self.server = FlServer(
            year=year,
            url=service.url,
            api_key=keys.ingest,
            spool=service.data_dir / "fl-server-spool",
            pseudonyms=Pseudonyms(pseudonym_key(options.seed)),
            seed=options.seed,
        )
        self.known_incidents: set[str] = set()

    def close(self) -> None:
        """Disconnect everybody."""
        self.server.close()
        self.owner.close()
        self.validator.close()

    def whole_year(self) -> None:
        """Train, serve every week, and tell how it went."""
        served = self.begin()
        first = served.champion
        with self.story.progress:
            task = self.story.progress.add_task("2013, week by week", total=len(WEEKS))
            self.story.progress.advance(task, len(REFERENCE_WEEKS))
            for week in WEEKS[len(REFERENCE_WEEKS) :]:
                self.week(week, served)
                self.story.progress.advance(task)
        self._tell_the_end(first, served)

    def begin(self) -> Served:
        """Train the first version; it becomes champion."""
        with self.stages.stage("train"):
            first = self.server.train_first(REFERENCE_WEEKS)
            self._settle(self.owner.get(f"/{FEDERATION}/rounds", limit=1)[0]["id"])
        self.story.line(
            f"weeks 0 to {REFERENCE_WEEKS[-1]}: version {first} trained by FedAvg over"
            " 16 carriers; these weeks are its reference"
        )
        return Served(first, reigns=[(first, REFERENCE_WEEKS[-1] + 1)])

    def week(self, week: int, served: Served) -> None:
        """Serve a week; then retrain, if that is asked for, or decide on what was retrained."""
        with self.stages.stage("serve and evaluate"):
            receipt = self.server.serve(week, served.champion, served.beside)
            self._settle(receipt.round_id)
        for incident in self._new_incidents():
            self.story.incident(week, incident)
        if served.candidate is not None:
            self._consider_promotion(week, served)
        else:
            self._retrain(week, served)

    def _settle(self, round_id: str) -> None:
        """Wait until Vigie has judged a round, with all that follows from it."""
        self._wait(lambda: self._round_state(round_id) == "evaluated", f"round {round_id}")

    def _round_state(self, round_id: str) -> str:
        return str(self.owner.get(f"/{FEDERATION}/rounds/{round_id}")["state"])

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise DemoError(f"Vigie did not finish {what} in {SETTLE_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)

    def _new_incidents(self) -> list[dict[str, Any]]:
        incidents = self.owner.get(f"/{FEDERATION}/incidents", limit=200)
        new = [incident for incident in incidents if incident["id"] not in self.known_incidents]
        self.known_incidents |= {incident["id"] for incident in new}
        return new

    def _retrain(self, week: int, served: Served) -> None:
        with self.stages.stage("retrain"):
            request = self.server.retrain_if_asked()
        if request is None:
            return
        if request.result_version is None:
            raise DemoError(f"Retraining ended as {request.state}: {request.reason}")
        served.candidate, served.canary_weeks = request.result_version, 0
        self.story.retraining(
            week,
            {
                "base_version": request.base_version,
                "result_version": request.result_version,
                "plan": request.plan,
            },
        )

    def _consider_promotion(self, week: int, served: Served) -> None:
        served.canary_weeks += 1
        path = f"/{FEDERATION}/models/{MODEL}/versions/{served.candidate}/comparison"
        comparison = self.owner.get(path)
        action = comparison["recommendation"]["action"]
        if action == "keep_collecting" and served.canary_weeks < MOST_CANARY_WEEKS:
            return
        self.story.comparison(comparison)
        with self.stages.stage("promote"):
            promotion = self._decide(served, action, comparison["recommendation"]["sentence"])
        self.story.decision(week, promotion)
        if promotion["state"] == "applied":
            served.first_promotion = served.first_promotion or (promotion["candidate"], week)
            served.previous, served.champion = served.champion, promotion["candidate"]
            served.reigns.append((served.champion, week + 1))
        served.candidate = None

    def _decide(self, served: Served, action: str, sentence: str) -> dict[str, Any]:
        """The owner asks; the validator, never the owner, decides; Vigie applies."""
        body = {"model": MODEL, "candidate": served.candidate, "why": sentence}
        promotion = self.owner.post(f"/{FEDERATION}/promotions", body)
        path = f"/{FEDERATION}/promotions/{promotion['id']}"
        submitted = self.owner.post(f"{path}/submit")
        approved, reason = self._validators_word(str(served.candidate), action, sentence)
        if not approved:
            self.validator.post(f"{path}/reject", {"reason": reason})
        else:
            seen = {"reason": reason, "evidence_sha256": submitted["evidence_sha256"]}
            self.validator.post(f"{path}/approve", seen)
            self._wait(lambda: self.owner.get(path)["state"] == "applied", "the promotion")
        settled: dict[str, Any] = self.owner.get(path)
        return settled

    def _validators_word(self, candidate: str, action: str, sentence: str) -> tuple[bool, str]:
        if self.options.yes or not sys.stdin.isatty():
            return action == "promote", sentence
        self.story.progress.stop()
        try:
            return self.story.ask_validator(VALIDATOR, candidate)
        finally:
            self.story.progress.start()

    def _tell_the_end(self, first: str, served: Served) -> None:
        self.story.heading("How it went")
        self.story.recurring(self._reigns(served))
        promoted, last_week = served.first_promotion or (None, WEEKS[-1])
        errors = summary.errors_around_promotion(
            self.year, self.server.models, REFERENCE_WEEKS, first, promoted, last_week
        )
        self.story.errors(errors)
        self.story.line(
            "A green figure that is not the champion's is a recurring concept: going back to an"
            " earlier version would have beaten training a new one."
        )
        if self.options.json_file is not None:
            self.options.json_file.write_text(json.dumps(self._document(errors), indent=2) + "\n")

    def _reigns(self, served: Served) -> Iterator[tuple[str, range, dict[str, float]]]:
        ends = [start for _, start in served.reigns[1:]] + [len(WEEKS)]
        for (champion, start), end in zip(served.reigns, ends, strict=True):
            weeks = range(start, end)
            if not weeks:
                continue
            losses = {
                version: summary.log_loss(self.year, weights, weeks)
                for version, weights in self.server.models.items()
                if int(version) <= int(champion)
            }
            yield champion, weeks, losses

    def _document(self, errors: summary.Errors) -> dict[str, Any]:
        def newest(what: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = self.owner.get(f"/{FEDERATION}/{what}")
            return found[::-1]

        incidents = sorted(newest("incidents"), key=lambda incident: incident["opened_step"])
        return summary.document(
            seed=self.options.seed,
            weeks=len(WEEKS),
            pushed=self.server.pushed,
            incidents=incidents,
            requests=newest("retrain-requests"),
            versions=newest(f"models/{MODEL}/versions"),
            promotions=newest("promotions"),
            errors=errors,
            seconds=self.stages.seconds,
        )
