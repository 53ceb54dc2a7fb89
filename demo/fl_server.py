"""The FL server of the demo: trains by FedAvg, reports every round, retrains when asked.

All it knows of Vigie is `vigie_client`: a `RoundReporter` that takes rounds off its hands, and a
`RetrainWorker` that brings requests.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from vigie_client import (
    Phase,
    Progress,
    Pseudonyms,
    Receipt,
    RetrainRequest,
    RetrainWorker,
    RoundReporter,
    TrainedVersion,
    VigieApi,
)

from demo import reports
from demo.fedavg import FitRound, Weights, train
from demo.flights import CARRIERS, Year, week_span

FEDERATION, MODEL = "flights-2013", "late-arrival"
SERVING_RUN = "serve-2013"
FIRST_ROUNDS = 20
DELIVERY_SECONDS = 60.0


@dataclass
class FlServer:
    """One FL server with its clients' data, its models and its link to Vigie."""

    year: Year
    url: str
    api_key: str
    spool: Path
    pseudonyms: Pseudonyms
    seed: int
    models: dict[str, Weights] = field(default_factory=dict)
    week: int = 0

    def __post_init__(self) -> None:
        """Connect; the reporter starts its thread."""
        self._receipts: list[Receipt] = []
        self._api = VigieApi(self.url, self.api_key, FEDERATION)
        self._reporter = RoundReporter(
            self.url, self.api_key, FEDERATION, self.spool, on_receipt=self._receipts.append
        )
        self._worker = RetrainWorker(
            self.url, self.api_key, FEDERATION, MODEL, self._retrain, claimer="fedavg-1"
        )
        self.bin_spec = str(self._api.put_bin_spec(reports.bin_spec())["id"])

    @property
    def pushed(self) -> int:
        """How many rounds Vigie has taken."""
        return len(self._receipts)

    def close(self) -> None:
        """Deliver what is left and disconnect."""
        self._reporter.close()
        self._worker.close()
        self._api.close()

    def train_first(self, weeks: range) -> str:
        """Train the first version on these weeks, register it, report how it does on them."""
        self.week = weeks[-1]
        weights = self._fit("fit-1", "1", weeks, None, FIRST_ROUNDS)
        version = self._api.register_version(MODEL, "fit-1", weights.sha256).version
        self.models[version] = weights
        self._report_past(version, weeks, SERVING_RUN)
        return version

    def serve(self, week: int, version: str, beside: str | None) -> Receipt:
        """Serve a week with `version`; with a second version beside it on the same flights."""
        self.week = week
        weights = self.models[version]
        if beside is None:
            self._push(SERVING_RUN, week, "evaluate", version, self._evaluated(week, weights))
        else:
            other = self.models[beside]
            records = [
                reports.canary_record(self.pseudonyms, flights, weights, other)
                for flights in self.year.flying([week])
            ]
            self._push(SERVING_RUN, week, "canary", version, records, beside=beside)
        return self._delivered()

    def retrain_if_asked(self) -> RetrainRequest | None:
        """Claim an open retrain request, if there is one, and carry it out."""
        request = self._worker.run_once()
        if request is None or request.result_version is None:
            return request
        self.models[request.result_version] = self.models.pop(_pending(request))
        weeks = range(self.week - int(request.plan["window_rounds"]) + 1, self.week + 1)
        self._report_past(request.result_version, weeks, f"backfill-{request.result_version}")
        return request

    def _retrain(self, request: RetrainRequest, progress: Progress, /) -> TrainedVersion:
        rounds, window = int(request.plan["rounds"]), int(request.plan["window_rounds"])
        weeks = range(max(0, self.week - window + 1), self.week + 1)
        run = f"retrain-{request.id[:8]}"
        weights = self._fit(
            run,
            _pending(request),
            weeks,
            self.models[request.base_version],
            rounds,
            request=request,
            progress=progress,
        )
        self.models[_pending(request)] = weights
        return TrainedVersion(run, weights.sha256, rounds)

    def _fit(
        self,
        run: str,
        version: str,
        weeks: range,
        initial: Weights | None,
        rounds: int,
        *,
        request: RetrainRequest | None = None,
        progress: Progress | None = None,
    ) -> Weights:
        weights = initial or Weights.zeros()
        for done in train(self.year, weeks, initial=initial, rounds=rounds, seed=self.seed):
            self._push_fit(run, version, done, request)
            weights = done.weights
            if progress is not None:
                progress(done.number, rounds)
        return weights

    def _push_fit(
        self, run: str, version: str, done: FitRound, request: RetrainRequest | None
    ) -> None:
        records = [reports.fit_record(self.pseudonyms, update) for update in done.updates]
        asked = None if request is None else request.id
        self._push(run, done.number, "fit", version, records, request=asked)

    def _report_past(self, version: str, weeks: Iterable[int], run: str) -> None:
        """Report how a version does on weeks that are over: what its reference is made from."""
        for week in weeks:
            records = self._evaluated(week, self.models[version])
            self._push(run, week, "evaluate", version, records, step=week)
        self._delivered()

    def _evaluated(self, week: int, weights: Weights) -> list[dict[str, Any]]:
        return [
            reports.evaluate_record(self.pseudonyms, flights, weights)
            for flights in self.year.flying([week])
        ]

    def _push(
        self,
        run: str,
        number: int,
        phase: Phase,
        version: str,
        records: list[dict[str, Any]],
        *,
        beside: str | None = None,
        step: int | None = None,
        request: str | None = None,
    ) -> None:
        step = self.week if step is None else step
        started, ended = week_span(step)
        model = {"name": MODEL, "version": version}
        if version in self.models:
            model["weights_sha256"] = self.models[version].sha256
        if beside is not None:
            model["canary_version"] = beside
        body = {
            "schema_version": 1,
            "attempt": 1,
            "global_step": step,
            "model": model,
            "strategy": {"name": "fedavg"},
            "started_at": _text(started),
            "ended_at": _text(ended),
            "bin_spec": self.bin_spec,
            "participation": {
                "available": len(CARRIERS),
                "sampled": len(records),
                "replied": len(records),
            },
            "retrain_request": request,
            "clients": records,
        }
        self._reporter.push(run, number, phase, body)

    def _delivered(self) -> Receipt:
        """Wait for the spool to be empty; the newest receipt."""
        if not self._reporter.flush(DELIVERY_SECONDS) or self._reporter.refused:
            raise RuntimeError(
                f"{self._reporter.refused} rounds were refused; see {self.spool / 'refused'}."
            )
        return self._receipts[-1]


def _pending(request: RetrainRequest) -> str:
    """What a version is called until the registry has given it a name."""
    return f"candidate-{request.id[:8]}"


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
