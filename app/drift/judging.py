"""How a round is judged: which tests run on what, and what their answers amount to.

Pure decisions: measures and policy in, findings out; no database. What is judged is the median of
the newest rounds since the reference, so that one bad round is weather and not drift. A drift needs
a practical effect as well as a small p-value, under one false discovery rate for each family of
subjects in each kind of scope.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from app.drift.client_findings import DRIFT, INSUFFICIENT, ClientFindings
from app.drift.distributions import judge_distribution
from app.drift.findings import Case, Finding, error_budget
from app.drift.rates import MEDIAN_SHIFT, judge_rate
from app.drift.scopes import ScopeKind
from app.drift.showing import Showing
from app.drift.splitting import Splitting
from app.federations.policy import DriftPolicy
from detectors import Outcome, benjamini_hochberg


def judge(case: Case, alarms: Iterable[Finding] = (), others: Iterable[Case] = ()) -> list[Finding]:
    """Judge the newest round of a case in the federation and its cohorts, the error budget spent.

    `alarms` are findings on it without a p-value, which no budget is charged with; `others` are
    cases of the same round with other subjects.
    """
    found = [*_settled(case, (*_tested(case), *alarms))]
    for other in others:
        found += _settled(other, _tested(other))
    return _decided(found, case.policy)


def _settled(case: Case, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings as they may be told: without numbers of few, or where evidence is missing."""
    showing = Showing(case)
    missing = [_missing_evidence(case, at) for at in range(len(case.scopes))]
    why = {scope.key: words for scope, words in zip(case.scopes, missing, strict=True)}
    few = {scope.key: _few_examples(case, at) for at, scope in enumerate(case.scopes)}
    for finding in findings:
        words, settled = why[finding.scope.key], showing.settled(finding)
        thin = few[finding.scope.key]
        if words or (thin and not _counts_examples(finding)):
            yield settled.insufficient(words or thin or "")
        else:
            yield replace(settled, thin=thin)


def with_breadth(finding: Finding, clients: Sequence[ClientFindings]) -> Finding:
    """A finding on the federation with how many clients were judged, drifted, and moved with it.

    Where clients are not judged by its detector it is told of the one that tests them; of clients
    in shards each shard has findings of its own.
    """
    tested = [one for one in clients if one.subject == finding.subject and one.tested]
    if not tested or finding.scope.kind != "federation":
        return finding
    same = [one for one in tested if one.detector == finding.detector]
    each = same or [one for one in tested if one.detector == tested[0].detector]
    breadth = {
        "clients_judged": sum(len(one.clients) - one.count(INSUFFICIENT) for one in each),
        "clients_drifting": sum(one.count(DRIFT) for one in each),
        "clients_moved": sum(one.moved_with(finding.effect) for one in each),
    }
    return replace(finding, explanation={**finding.explanation, **breadth})


def _missing_evidence(case: Case, at: int) -> str | None:
    """Why this scope cannot be judged in this round, in words; None when it can."""
    policy = case.policy
    if case.rounds_since < policy.latest_rounds:
        return f"{case.rounds_since} of {policy.latest_rounds} rounds since the reference"
    return _missing_clients(case, at) if case.scopes[at].kind == "federation" else None


def _few_examples(case: Case, at: int) -> str | None:
    """Why a scope has too few examples for it to be called stable, in words; None when it can."""
    examples = round(case.after[-1].examples[at])
    if examples >= case.policy.min_examples:
        return None
    return f"{examples} examples; at least {case.policy.min_examples} are asked for"


def _counts_examples(finding: Finding) -> bool:
    """Whether a finding's p-value allows for how few the examples are: a test of counts' does."""
    return finding.p_value is not None and finding.detector != MEDIAN_SHIFT


def _missing_clients(case: Case, at: int) -> str | None:
    policy, summary = case.policy, case.after[-1]
    clients = int(summary.clients[at]) * case.current.stands_for
    least = max(policy.min_clients, case.min_cohort_size)
    if clients < least:
        return f"{clients} clients; at least {least} are asked for"
    share = summary.participation[at]
    if share < policy.min_participation:
        return f"{share:.0%} of the reference's examples; {policy.min_participation:.0%} asked for"
    return None


def _tested(case: Case) -> Iterator[Finding]:
    splitting = Splitting(case)
    for at in range(len(case.scopes)):
        wide = case.scopes[at].kind == "federation"
        for subject in case.rates if wide else case.client_rates:
            if MEDIAN_SHIFT in case.judged(subject).detectors:
                yield judge_rate(case, at, subject, splitting)
        for subject in case.histograms:
            yield from judge_distribution(case, at, subject)


def _decided(findings: Sequence[Finding], policy: DriftPolicy) -> list[Finding]:
    """Spend the error budget: one false discovery rate per kind of scope and family."""
    pools: dict[tuple[ScopeKind, str], list[int]] = {}
    for position, finding in enumerate(findings):
        if finding.outcome is Outcome.STABLE and finding.p_value is not None:
            pools.setdefault((finding.scope.kind, finding.family), []).append(position)
    decided = list(findings)
    for (kind, _), positions in pools.items():
        p_values = [p for at in positions if (p := findings[at].p_value) is not None]
        for at, q in zip(positions, benjamini_hochberg(p_values), strict=True):
            decided[at] = decide(findings[at], float(q), error_budget(policy, kind))
    return decided


def decide(finding: Finding, q_value: float, level: float) -> Finding:
    """A finding's outcome, by effect and by what is left of its p-value."""
    assert finding.p_value is not None
    assert finding.effect is not None
    practical = abs(finding.effect) >= finding.threshold
    outcome = Outcome.STABLE
    if practical and q_value <= level:
        outcome = Outcome.DRIFT
    elif practical and finding.p_value <= level:
        outcome = Outcome.WARNING
    if finding.thin and outcome is not Outcome.DRIFT:
        return replace(finding, q_value=q_value).insufficient(finding.thin)
    return replace(finding, outcome=outcome, q_value=q_value)
