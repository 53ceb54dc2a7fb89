# mypy: disable-error-code="import-not-found,misc"
# FLARE is in an environment of its own, where types are not checked.
"""``VigieReporter``: the component of a FLARE server that pushes every round to Vigie."""

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import (
    FLContextKey,
    ReservedKey,
    ReturnCode,
)
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.info_collector import InfoCollector
from nvflare.widgets.widget import Widget

from vigie_client.models import PHASES, Phase
from vigie_client.nvflare.records import detach
from vigie_client.nvflare.spools import Spools
from vigie_client.nvflare.tally import Answer, Tally
from vigie_client.participation import content_bytes
from vigie_client.pseudonym import Pseudonyms
from vigie_client.reporter import RoundReporter
from vigie_client.weights import weights_sha256

log = logging.getLogger("vigie_client")

OUTCOME, STATS = "vigie.json", "vigie"
API_KEY, PSEUDONYM_KEY = "VIGIE_API_KEY", "VIGIE_PSEUDONYM_KEY"
DEFAULT_PHASES: Mapping[str, Phase] = {"train": "fit", "validate": "evaluate"}
_CLOSE_SECONDS = 5.0


class VigieReporter(Widget):
    """Makes a Vigie round of every round of a FLARE job, from what the clients attach.

    A component of the server app, beside any workflow whose tasks carry a round number (``FedAvg``,
    ``ScatterAndGather``, every other ``ModelController``). It only listens: it sees which clients
    were given a task, and takes the record that ``attach`` put in the metadata of a result out
    again, before a workflow or an aggregator sees it. A round ends when it is aggregated, when the
    next one begins, or with its workflow; it is then put in a disk spool and sent from a thread.
    An answer that comes later is not in it. Whatever goes wrong here is logged, and the training
    does not notice.

    ``VIGIE_API_KEY`` and ``VIGIE_PSEUDONYM_KEY`` (in hex) are taken from the environment of the
    FLARE server, as a job's configuration is no place for secrets. Pseudonyms are made of FLARE's
    client names, which are provisioned and so outlast restarts.

    At the end of a job that changed the global model, ``vigie.json`` among its results has the
    SHA-256 of the last one and how many rounds changed it, for ``FlareTraining``.
    """

    def __init__(
        self,
        url: str,
        federation: str,
        model: str,
        version: str,
        *,
        spool: str = "vigie",
        run: str | None = None,
        first_step: int = 0,
        phases: dict[str, Phase] | None = None,
        bin_spec: str | None = None,
        strategy: str | None = None,
        parent_version: str | None = None,
        retrain_request: str | None = None,
    ) -> None:
        """Touch nothing yet; ``ValueError`` for a phase that there is not.

        ``spool`` is a folder, below the workspace of the FLARE server unless absolute. ``run`` is
        the job's id unless given; the simulator calls every job the same, so give it there.
        ``global_step`` is ``first_step`` plus FLARE's round number, as every job counts from 0
        again. ``phases`` says what the rounds of each task are for (default: ``train`` is ``fit``,
        ``validate`` is ``evaluate``); tasks that it does not name are not reported.
        """
        super().__init__()
        # FLARE writes a job's configuration from attributes with the names of the arguments.
        self.url, self.federation, self.model, self.version = url, federation, model, version
        self.spool, self.run, self.first_step, self.phases = spool, run, first_step, phases
        self.bin_spec, self.strategy = bin_spec, strategy
        self.parent_version, self.retrain_request = parent_version, retrain_request
        self._phases = DEFAULT_PHASES if phases is None else phases
        unknown = set(self._phases.values()) - set(PHASES)
        if unknown:
            raise ValueError(f"phases has {sorted(unknown)}; expected some of {', '.join(PHASES)}.")
        self._lock = threading.RLock()
        self._spools: Spools | None = None
        self._behind = ThreadPoolExecutor(1, "vigie-rounds")
        self._open: dict[tuple[str, int], Tally] = {}
        self._updates = 0
        self._weights: Mapping[str, Any] = {}
        self._steps = {
            EventType.START_RUN: self._start,
            EventType.AFTER_TASK_DATA_FILTER: self._note_asked,
            EventType.AFTER_TASK_RESULT_FILTER: self._note_answer,
            AppEventType.AFTER_AGGREGATION: self._finish,
            AppEventType.AFTER_SHAREABLE_TO_LEARNABLE: self._note_model,
            EventType.END_WORKFLOW: self._finish,
            EventType.END_RUN: self._end,
            InfoCollector.EVENT_TYPE_GET_STATS: self._tell,
        }

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Take part in the event, if it is one of ours; raises nothing."""
        step = self._steps.get(event_type)
        if step is None:
            return
        try:
            with self._lock:
                step(fl_ctx)
        except Exception:  # whatever is wrong with the reporting, training goes on
            log.exception("Vigie could not follow %s of this job", event_type)

    def _start(self, fl_ctx: FLContext) -> None:
        job, workspace = fl_ctx.get_job_id(), fl_ctx.get_engine().get_workspace()
        self._run = self.run or job
        self._outcome = Path(workspace.get_result_root(job)) / OUTCOME
        self._pseudonym = Pseudonyms(bytes.fromhex(os.environ.get(PSEUDONYM_KEY, "")))
        self._spools = Spools(Path(workspace.get_root_dir()) / self.spool, self._reporter)

    def _reporter(self, spool: Path) -> RoundReporter:
        return RoundReporter(self.url, os.environ.get(API_KEY, ""), self.federation, spool)

    def _note_asked(self, fl_ctx: FLContext) -> None:
        round_ = self._round_of(fl_ctx, FLContextKey.TASK_DATA)
        if round_ is None:
            return
        if round_ not in self._open:
            self._finish(fl_ctx)
            available = len(fl_ctx.get_engine().get_clients())
            task, number = round_
            self._open[round_] = Tally(number, self._phases[task], available, _now())
        tally = self._open[round_]
        tally.asked.setdefault(_client(fl_ctx), time.monotonic())
        tally.bytes_down += content_bytes(fl_ctx.get_prop(FLContextKey.TASK_DATA))

    def _note_answer(self, fl_ctx: FLContext) -> None:
        result, client = fl_ctx.get_prop(FLContextKey.TASK_RESULT), _client(fl_ctx)
        record = detach(result)
        size = content_bytes(result) + content_bytes(record)
        round_ = self._round_of(fl_ctx, FLContextKey.TASK_RESULT)
        tally = None if round_ is None else self._open.get(round_)
        if tally is None or client not in tally.asked:
            return
        after_ms = 1000 * (time.monotonic() - tally.asked[client])
        code = result.get_return_code()
        error = None if code in {None, ReturnCode.OK} else str(code)
        tally.answers[client] = Answer(after_ms, record, error, size)

    def _note_model(self, fl_ctx: FLContext) -> None:
        self._updates += 1
        self._weights = (fl_ctx.get_prop(AppConstants.GLOBAL_MODEL) or {}).get("weights") or {}

    def _finish(self, _: FLContext) -> None:
        while self._open:
            tally = self._open.pop(next(iter(self._open)))
            if self._spools is not None:  # else the start went wrong, and the log says how
                self._behind.submit(self._push, tally, self._spools.reporter, _now())

    def _push(self, tally: Tally, reporter: RoundReporter, ended_at: datetime) -> None:
        """Build the round and hand it over, behind training: a thousand records take a while."""
        try:
            body = self._body(tally, ended_at)
            if body["clients"]:
                reporter.push(self._run, tally.number, tally.phase, body)
            else:
                log.warning("No client attached a record to round %d; left out", tally.number)
        except Exception:
            log.exception("Round %d could not be handed over", tally.number)

    def _body(self, tally: Tally, ended_at: datetime) -> dict[str, Any]:
        model = {"name": self.model, "version": self.version, "parent_version": self.parent_version}
        return {
            "schema_version": 1,
            "attempt": 1,
            "global_step": self.first_step + tally.number,
            "model": model,
            "retrain_request": self.retrain_request,
            "strategy": {"name": self.strategy} if self.strategy else None,
            "bin_spec": self.bin_spec,
            "started_at": tally.started_at.isoformat(),
            "ended_at": ended_at.isoformat(),
            "participation": tally.participation(),
            "clients": tally.records(self._pseudonym),
        }

    def _tell(self, fl_ctx: FLContext) -> None:
        collector = fl_ctx.get_prop(InfoCollector.CTX_KEY_STATS_COLLECTOR)
        if collector is not None:
            collector.add_info(STATS, {"rounds": self._updates})

    def _end(self, fl_ctx: FLContext) -> None:
        try:
            self._finish(fl_ctx)
            if self._weights:
                made = {"weights_sha256": weights_sha256(self._weights), "rounds": self._updates}
                self._outcome.write_text(json.dumps(made))
        finally:
            self._behind.shutdown()
            if self._spools is not None:
                self._spools.close(_CLOSE_SECONDS)

    def _round_of(self, fl_ctx: FLContext, which: str) -> tuple[str, int] | None:
        """Task and round that a message belongs to; ``None`` when it is not to be reported."""
        task, message = fl_ctx.get_prop(FLContextKey.TASK_NAME), fl_ctx.get_prop(which)
        if task not in self._phases or message is None:
            return None
        number = message.get_cookie(AppConstants.CONTRIBUTION_ROUND)
        return (task, number) if isinstance(number, int) else None


def _client(fl_ctx: FLContext) -> str:
    return str(fl_ctx.get_peer_context().get_prop(ReservedKey.IDENTITY_NAME))


def _now() -> datetime:
    return datetime.now(timezone.utc)
