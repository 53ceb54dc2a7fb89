"""The canary model: an older version judges the champion on examples without labels."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from sqlmodel import Session

from app.federations import service as federations
from app.federations.tables import Federation
from app.registry.canary import least_records
from app.registry.errors import NotACandidateError
from app.registry.evidence_schemas import JudgedRate, JudgementOut
from app.registry.pairing import FloatArray
from app.registry.versions import model_named, version_named
from app.rounds import service as rounds
from app.rounds.reports import ClientReport
from app.rounds.tables import Round
from detectors.clients.judging import Judgement, Rate, judge

NEWEST, LEAST_CLIENTS = 20, 3
ASSUMPTION = (
    "The judge errs now as often as on the labelled examples that it was validated on. If what it"
    " sees has changed as well, the bounds are too narrow."
)


def judgement(
    session: Session, federation: Federation, model_name: str, version: str
) -> JudgementOut:
    """What a version says of the champion, from the newest canary rounds that crossed the two.

    Its own error is from the newest rounds that measured it with labels, however late those came.

    Raises:
        NotFoundError: if there is no such model or version.
        NotACandidateError: if the version is the champion.
    """
    version_named(session, federation.id, model_name, version)
    champion = model_named(session, federation.id, model_name).champion
    assert champion is not None  # a model with a version has one
    if version == champion:
        raise NotACandidateError(version)
    unlabelled = rounds.canary_rounds(session, federation.id, model_name, champion, version)
    labelled = rounds.measuring(session, federation.id, model_name, version)[-NEWEST:]
    least = max(least_records(federation, [*unlabelled, *labelled]), LEAST_CLIENTS)
    crossed = _crossed(_told(session, unlabelled[-NEWEST:], least))
    wrong = _errors(labelled, _told(session, labelled, least), version)
    enough = min(len(crossed), len(wrong)) >= least
    alpha = 1 - federations.policy_of(federation).canary.confidence
    told = _judged(crossed, wrong, alpha) if enough else None
    return _out(model_name, champion, version, crossed, wrong, told)


def _told(session: Session, some: Sequence[Round], least: int) -> list[ClientReport]:
    """What clients said in those of the rounds that as many answered as may be shown.

    Fewer would stand out by what their round changed.
    """
    reports = rounds.reports_of(session, [round_.id for round_ in some])
    answered = [report for report in reports if report.status == "ok"]
    counts = Counter(report.round_id for report in answered)
    return [report for report in answered if counts[report.round_id] >= least]


def _judged(
    crossed: dict[str, FloatArray], wrong: dict[str, tuple[float, float]], alpha: float
) -> Judgement:
    rates = np.array(list(wrong.values()), dtype=np.float64)
    tables = np.stack(list(crossed.values()))
    return judge(tables.clip(min=0), rates[:, 0], rates[:, 1], alpha=alpha)


def _crossed(reports: Iterable[ClientReport]) -> dict[str, FloatArray]:
    """Each client's predictions of both, crosswise: champion's by judge's."""
    tables: dict[str, FloatArray] = {}
    for report in reports:
        cells = (report.record.get("canary") or {}).get("crossed")
        if cells is None:
            continue
        table = np.asarray(cells, dtype=np.float64)
        known = tables.get(report.client)
        if known is None or known.shape == table.shape:
            tables[report.client] = table if known is None else known + table
    shapes = {table.shape for table in tables.values()}
    return dict(sorted(tables.items())) if len(shapes) == 1 else {}


def _errors(
    labelled: Iterable[Round], reports: Iterable[ClientReport], version: str
) -> dict[str, tuple[float, float]]:
    """Each client's wrong answers of the version, and its examples, where labels came."""
    own = {round_.id for round_ in labelled if round_.version == version}
    counts: dict[str, tuple[float, float]] = {}
    for report in reports:
        block = report.record if report.round_id in own else report.record.get("canary") or {}
        right = (block.get("metrics") or {}).get("correct_count")
        if right is not None and report.num_examples:
            wrong, n = counts.get(report.client, (0.0, 0.0))
            counts[report.client] = (
                wrong + report.num_examples - right,
                n + report.num_examples,
            )
    return dict(sorted(counts.items()))


def _out(
    model: str,
    champion: str,
    version: str,
    crossed: dict[str, FloatArray],
    wrong: dict[str, tuple[float, float]],
    told: Judgement | None,
) -> JudgementOut:
    tables = list(crossed.values())
    return JudgementOut(
        model=model,
        champion=champion,
        judge=version,
        assumption=ASSUMPTION,
        clients=len(crossed),
        validated_clients=len(wrong),
        examples=0 if told is None else int(sum(table.sum() for table in tables)),
        disagreement=None if told is None else _shown(told.disagreement),
        judge_error=None if told is None else _shown(told.judge_error),
        error_lower=None if told is None else told.lower,
        error_upper=None if told is None else told.upper,
        error_if_independent=None if told is None else told.if_independent,
        pseudo_recalls=None if told is None else list(told.recalls),
    )


def _shown(rate: Rate) -> JudgedRate:
    return JudgedRate(value=rate.value, lower=rate.lower, upper=rate.upper)
