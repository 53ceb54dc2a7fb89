"""How a round is judged: which tests run on what, and what their answers amount to.

Pure decisions: measures and policy in, findings out; no database. What is judged is the median of
the newest rounds since the reference, so that one bad round is weather and not drift. A drift needs
a practical effect as well as a small p-value, under one false discovery rate for each family of
subjects in each kind of scope.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.drift.distributions import judge_distribution
from app.drift.findings import Case, Finding
from app.drift.rates import judge_rate, watch_rate
from app.drift.scopes import Scope, ScopeKind, scopes_of
from app.drift.showing import Showing
from app.federations.policy import DriftPolicy
from detectors import Outcome, benjamini_hochberg


def judge(case: Case) -> list[Finding]:
    """Judge the newest round of a case: every finding, with its error budget spent."""
    findings: list[Finding] = []
    showing = Showing(case)
    for scope in scopes_of(case.reference, case.current, case.min_cohort_size):
        missing = _missing_evidence(case, scope)
        made = [showing.settled(finding) for finding in _scope_findings(case, scope)]
        findings += [finding.insufficient(missing) for finding in made] if missing else made
    return _decided(findings, case.policy)


def _missing_evidence(case: Case, scope: Scope) -> str | None:
    """Why this scope cannot be judged in this round, in words; None when it can."""
    policy = case.policy
    if len(case.since) < policy.latest_rounds:
        return f"{len(case.since)} of {policy.latest_rounds} rounds since the reference"
    examples = sum(client.n for _, client in scope.present(case.current))
    if examples < policy.min_examples:
        return f"{examples} examples; at least {policy.min_examples} are asked for"
    return _missing_clients(case, scope)


def _missing_clients(case: Case, scope: Scope) -> str | None:
    policy = case.policy
    if scope.kind != "federation":
        return None
    clients = len(scope.present(case.current)) * case.current.stands_for
    least = max(policy.min_clients, case.min_cohort_size)
    if clients < least:
        return f"{clients} clients; at least {least} are asked for"
    share = scope.participation(case.current)
    if share < policy.min_participation:
        return f"{share:.0%} of the reference's examples; {policy.min_participation:.0%} asked for"
    return None


def _scope_findings(case: Case, scope: Scope) -> Iterator[Finding]:
    told = [client for measure in case.reference for client in measure.clients.values()]
    for subject in sorted({name for client in told for name in client.rates}):
        yield judge_rate(case, scope, subject)
        if scope.kind == "federation":
            yield from watch_rate(case, scope, subject)
    for subject in sorted({name for client in told for name in client.histograms}):
        yield from judge_distribution(case, scope, subject)


def error_budget(policy: DriftPolicy, kind: ScopeKind) -> float:
    """The false discovery rate that verdicts in scopes of this kind are judged under."""
    if kind == "cohort":
        return policy.cohort_false_discovery_rate
    return policy.false_discovery_rate


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
            decided[at] = _decide(findings[at], float(q), error_budget(policy, kind))
    return decided


def _decide(finding: Finding, q_value: float, level: float) -> Finding:
    assert finding.p_value is not None
    assert finding.effect is not None
    practical = abs(finding.effect) >= finding.threshold
    outcome = Outcome.STABLE
    if practical and q_value <= level:
        outcome = Outcome.DRIFT
    elif practical and finding.p_value <= level:
        outcome = Outcome.WARNING
    return replace(finding, outcome=outcome, q_value=q_value)
