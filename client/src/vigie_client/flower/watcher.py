"""``Watcher``: makes a Vigie round of every round that a strategy configures and aggregates."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar, cast

from vigie_client.flower.outcome import Outcome
from vigie_client.flower.tally import Answer, Asked, Tally
from vigie_client.models import Phase, Trainees

log = logging.getLogger("vigie_client")

T = TypeVar("T")
EVERYBODY = Trainees()


class Reports(Protocol):
    """Where rounds go: a ``RoundReporter``, or what stands in for one."""

    def report(
        self,
        run: str,
        round: int,
        phase: Phase,
        clients: Iterable[Mapping[str, Any]],
        *,
        model: str,
        version: str,
        global_step: int,
        seconds: float,
        **more: Any,  # noqa: ANN401 - the envelope's fields
    ) -> None:
        """Hand over one round without waiting for the network."""


class OwnReports(Reports, Protocol):
    """What a watcher opened and so closes."""

    def close(self, timeout: float) -> None:
        """Send what can be sent in ``timeout`` seconds; the rest stays."""


class Watcher:
    """Follows the rounds of one Flower run; raises nothing once it is made.

    Whatever goes wrong is logged and counted in ``failures``: the training does not notice. So it
    may be given a function that opens the reporter: a spool that another process holds, a disk that
    is full or a variable that is not set then costs rounds at Vigie, and no training. It is called
    when the first round is asked for, and again at the next one if it raised.

    ``global_step`` of a round is ``first_step`` plus Flower's round number, since every run counts
    from 1 again. ``run`` is the run's name at Vigie (default: ``flower-`` and Flower's run id).
    ``outcome`` is told of every round of training that is done. Where ``trainees`` are not all, a
    strategy of the Message API aggregates training by what they say that each client counts; it
    asks those no more that do not train, once they are known by a record. ``more`` are further
    fields of the envelope, such as ``bin_spec`` or ``retrain_request``.
    """

    def __init__(
        self,
        reporter: Reports | Callable[[], OwnReports],
        *,
        model: str,
        version: str,
        first_step: int = 0,
        run: str | None = None,
        parent_version: str | None = None,
        outcome: Outcome | None = None,
        trainees: Trainees = EVERYBODY,
        **more: Any,  # noqa: ANN401 - the envelope's fields
    ) -> None:
        """Touch nothing yet."""
        self._open_reporter = reporter if callable(reporter) else None
        self._reporter = None if callable(reporter) else reporter
        self._model, self._version = model, version
        self._first_step, self._run, self._more = first_step, run, more
        self._parent_version, self._outcome = parent_version, outcome
        self.trainees = trainees
        self._weights: dict[str, float] = {}
        self._pseudonyms: dict[str, str] = {}
        self._open: dict[Phase, Tally] = {}
        self.failures = 0

    def asked(
        self, phase: Phase, number: int, nodes: Iterable[Asked], available: int, run: str
    ) -> None:
        """Note whom a round asks; ``run`` names it where no name was given."""
        asked = tuple(nodes)
        self._open[phase] = Tally(
            self._run or run, number, phase, available, asked, time.monotonic()
        )
        if self._reporter is None and self._open_reporter is not None:
            self._reporter = self._open_reporter()

    def answered(self, phase: Phase, answers: list[Answer]) -> None:
        """End the round that was asked for last, and hand it to the reporter."""
        tally = self._open.pop(phase, None)
        if tally is None or not tally.asked:
            return
        if self._outcome is not None and phase == "fit":
            self._outcome.round_done(tally.number)
        self._learn(answers)
        records = tally.records(answers, self._pseudonyms)
        if self._reporter is None:
            log.warning("Round %d is not told, as there is no reporter", tally.number)
        elif not records:
            log.warning("No client attached a record to round %d; it is not told", tally.number)
        else:
            self._report(self._reporter, tally, answers, records)

    def weight_of(self, node: str) -> float:
        """Return how many times a node counts in training; one that told no name is in no group."""
        return self._weights.get(node, self.trainees.weight_of(""))

    def trains(self, node: str) -> bool:
        """Whether a node is to be asked: it trains, or it is not known yet."""
        return self._weights.get(node, 1.0) > 0

    def close(self, timeout: float) -> None:
        """Close the reporter if it was opened here, sending for up to ``timeout`` seconds.

        To be called when the run is over; one that was opened elsewhere is left alone.
        """
        if self._reporter is not None and self._open_reporter is not None:
            opened, self._reporter = cast("OwnReports", self._reporter), None
            self.guarded("close its reporter", lambda: opened.close(timeout), None)

    def guarded(self, what: str, step: Callable[[], T], otherwise: T) -> T:
        """Return what ``step`` returns; ``otherwise`` when it raises, which is logged."""
        try:
            return step()
        except Exception:  # whatever is wrong with the reporting, training goes on
            self.failures += 1
            log.exception("Vigie could not %s; training goes on", what)
            return otherwise

    def _report(
        self, reporter: Reports, tally: Tally, answers: list[Answer], records: list[dict[str, Any]]
    ) -> None:
        reporter.report(
            tally.run,
            tally.number,
            tally.phase,
            records,
            model=self._model,
            version=self._version,
            global_step=self._first_step + tally.number,
            seconds=time.monotonic() - tally.started,
            parent_version=self._parent_version,
            participation=tally.participation(answers, time.time()),
            **self._more,
        )

    def _learn(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            if answer.node is not None and answer.record:
                client = self._pseudonyms[answer.node] = str(answer.record.get("client"))
                cohorts = answer.record.get("cohorts") or {}
                self._weights[answer.node] = self.trainees.weight_of(client, cohorts)


class _Nowhere:
    """Takes rounds and keeps none."""

    def report(self, *_: object, **__: object) -> None:
        """Forget it."""


UNWATCHED = Watcher(_Nowhere(), model="none", version="none")
"""What a strategy has whom nobody watches."""
