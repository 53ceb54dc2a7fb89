"""Who carries a drift: clients, cohorts and inputs, as shares that add to one."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from app.drift.explaining.alike import Alike
from app.drift.explaining.movements import Movement
from app.drift.explaining.schemas import ClientShare, CohortShare, FeatureShare
from app.drift.findings import Case, Finding
from app.drift.measurements import FEATURE, SKEW, RoundMeasure
from app.drift.scopes import Scope
from app.federations.policy.kinds import kind_of
from app.rounds import disclosure
from detectors import Outcome

MOST_CLIENTS = 20
INPUTS = frozenset({FEATURE, SKEW})
DIGITS = 4


def client_shares(movement: Movement, alike: Alike | None) -> list[ClientShare]:
    """The clients with the largest parts, and the rest of them together."""
    shares, labels = movement.shares, None if alike is None else alike.labels
    if np.isnan(shares).any():
        return []
    largest = np.argsort(-np.abs(shares), kind="stable")[:MOST_CLIENTS]
    told = [
        ClientShare(
            client=movement.clients[at].decode(),
            share=round(float(shares[at]), DIGITS),
            cluster=None if labels is None or labels[at] < 0 else int(labels[at]),
        )
        for at in largest.tolist()
    ]
    others = len(shares) - len(told)
    if others:
        rest = 1 - sum(one.share for one in told)
        told.append(ClientShare(client=None, clients=others, share=round(rest, DIGITS)))
    return told


def cohort_shares(
    movement: Movement, tags: dict[str, dict[str, str]], least: int
) -> dict[str, list[CohortShare]]:
    """By tag, the part of each cohort that may be shown, and of all other clients together.

    `tags` are each client's; shares are rounded as means over so many clients are.
    """
    if np.isnan(movement.shares).any():
        return {}
    groups = shown_cohorts(movement, tags, least)
    told: dict[str, list[CohortShare]] = {}
    for cohort in sorted(groups):
        inside = np.isin(movement.clients, np.array(sorted(groups[cohort]), dtype="S34"))
        share = float(movement.shares[inside].sum())
        rounded = disclosure.coarsened(share, len(movement.clients), least)
        entry = CohortShare(cohort=cohort, share=round(rounded, DIGITS))
        told.setdefault(cohort.partition("=")[0], []).append(entry)
    return {tag: [*shares, *_rest(shares)] for tag, shares in told.items()}


def shown_cohorts(
    movement: Movement, tags: dict[str, dict[str, str]], least: int
) -> dict[str, set[str]]:
    """The cohorts of these clients that may be shown, with who is in them."""
    if not tags:
        return {}
    names = [client.decode() for client in movement.clients]
    groups = disclosure.scopes_of({name: tags.get(name, {}) for name in names})
    shown = disclosure.shown(groups, least)
    return {key: groups[kind, key] for kind, key in sorted(shown) if kind == "cohort"}


def feature_shares(findings: Iterable[Finding], scope: Scope) -> list[FeatureShare]:
    """How far each input that drifts in a scope moved among them; the furthest first."""
    ratios: dict[str, float] = {}
    for finding in drifting_inputs(findings, scope):
        ratio = abs(finding.effect or 0.0) / finding.threshold if finding.threshold else 0.0
        ratios[finding.subject] = max(ratios.get(finding.subject, 0.0), ratio)
    whole = sum(ratios.values())
    if not whole:
        return []
    return [
        FeatureShare(subject=subject, share=round(ratio / whole, DIGITS))
        for subject, ratio in sorted(ratios.items(), key=lambda one: (-one[1], one[0]))
    ]


def drifting_inputs(findings: Iterable[Finding], scope: Scope) -> Iterator[Finding]:
    """The drifts of features in a scope."""
    for finding in findings:
        drifts = finding.outcome is Outcome.DRIFT and finding.scope == scope
        if drifts and kind_of(finding.subject) in INPUTS:
            yield finding


def tags_lately(case: Case) -> dict[str, dict[str, str]]:
    """The cohort tags of the clients of the newest rounds, each as it told them last, if any."""
    if not any(measure.tags for measure in case.latest):
        return {}
    told: dict[str, dict[str, str]] = {}
    for measure in case.latest:
        told |= _tags_by_client(measure)
    return {client: tags for client, tags in told.items() if tags}


def _tags_by_client(measure: RoundMeasure) -> dict[str, dict[str, str]]:
    columns = [(tag, values.tolist()) for tag, values in measure.tags.items()]
    return {
        client.decode(): {tag: values[at] for tag, values in columns if values[at]}
        for at, client in enumerate(measure.clients.tolist())
    }


def _rest(shares: Sequence[CohortShare]) -> Iterator[CohortShare]:
    rest = round(1 - sum(one.share for one in shares), DIGITS)
    if rest:
        yield CohortShare(cohort=None, share=rest)
