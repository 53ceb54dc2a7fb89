"""What a comparison recommends, in words that a validator can sign."""

from collections.abc import Sequence

from app.federations.policy import CanaryPolicy
from app.registry.evidence_schemas import Difference, Guardrail, OutlookOut, Recommendation
from app.registry.pairing import Paired
from detectors.clients.canary import LEAST_CLIENTS, CanaryComparison
from detectors.clients.canary import Recommendation as Action

WORDS = {"promote": "Promote", "keep_collecting": "Keep collecting", "reject": "Reject"}
NAMES = {
    "error_rate": "the error rate",
    "failures": "the share of clients that fail",
    "latency": "the time to evaluate",
    "calibration": "the calibration error",
    "fairness": "the gap between cohorts",
    "cohort_loss": "the loss of a cohort",
}


def recommendation(
    found: Paired,
    result: CanaryComparison | None,
    seen: Difference | None,
    rails: Sequence[Guardrail],
    outlook: OutlookOut | None,
    policy: CanaryPolicy,
    least: int,
) -> Recommendation:
    """What to do by the losses and the guardrails, in a sentence, and how sure that is."""
    if len(found.rounds) < policy.min_rounds:
        missing = f"{len(found.rounds)} of {policy.min_rounds} canary rounds so far"
        return _waiting(missing)
    if result is None or seen is None:
        needed = max(LEAST_CLIENTS, least)
        return _waiting(f"{found.told} of {needed} clients measured both versions")
    action = _action(result.recommendation, rails)
    because = _because(action, result.recommendation, rails)
    return Recommendation(
        action=action.value,
        sentence=_sentence(action, seen, found, because, _more(outlook)),
        probability=_probability(seen, policy),
    )


def _waiting(missing: str) -> Recommendation:
    return Recommendation(action="keep_collecting", sentence=f"Keep collecting: {missing}.")


def _action(by_loss: Action, rails: Sequence[Guardrail]) -> Action:
    states = {rail.state for rail in rails}
    if "breached" in states:
        return Action.REJECT
    if by_loss is Action.PROMOTE and "beyond" in states:
        return Action.KEEP_COLLECTING
    return by_loss


def _because(action: Action, by_loss: Action, rails: Sequence[Guardrail]) -> str:
    """Which guardrails overrule what the losses say."""
    if action is by_loss:
        return ""
    wanted = "breached" if action is Action.REJECT else "beyond"
    names = " and ".join(NAMES[rail.name] for rail in rails if rail.state == wanted)
    surely = "surely " if action is Action.REJECT else ""
    return f" {names[0].upper()}{names[1:]} {surely}passes its limit."


def _sentence(action: Action, seen: Difference, found: Paired, because: str, more: str) -> str:
    way = "lower" if seen.log_loss < 0 else "higher"
    claim = _claim(action, seen)
    return (
        f"{WORDS[action]}: the candidate's log loss is {abs(seen.log_loss):.4f} nats"
        f" per example {way} ({seen.confidence:.0%} interval of the difference, whenever one"
        f" looks: {seen.lower:+.4f} to {seen.upper:+.4f}), over {len(found.rounds)} rounds and"
        f" {len(found.pairs)} clients.{claim}{because}{more}"
    )


def _claim(action: Action, seen: Difference) -> str:
    """What a promotion would rest on: superiority, or non-inferiority by the margin alone."""
    if action is not Action.PROMOTE:
        return ""
    if seen.upper < 0:
        return " It is better beyond chance."
    return f" It is not worse by {seen.margin:g} nats beyond chance; better is likely, not shown."


def _more(outlook: OutlookOut | None) -> str:
    if outlook is None:
        return ""
    if outlook.rounds_more is not None:
        rounds = "round" if outlook.rounds_more == 1 else "rounds"
        return (
            f" As clients and rounds vary now, about {outlook.rounds_more} more {rounds} would"
            " decide, if the difference is what it seems."
        )
    if outlook.clients is not None:
        return (
            " Clients differ too much for more rounds of the same ones to decide; about"
            f" {outlook.clients} clients would, if the difference is what it seems."
        )
    return " The two are too much alike for more rounds to decide."


def _probability(seen: Difference, policy: CanaryPolicy) -> str:
    claims = (
        ("no better than the champion", seen.e_superior),
        (f"worse by {policy.non_inferiority_margin:g} nats", seen.e_non_inferior),
        ("no worse than the champion", seen.e_worse),
    )
    strong = [
        f"Were the candidate {what}, evidence as strong as this would come at any look, ever, in"
        f" at most {_one_in(value)} canaries."
        for what, value in claims
        if value is not None and value > 1
    ]
    return " ".join(strong) or "Nothing is shown yet about which version is better."


def _one_in(e_value: float) -> str:
    return f"1 of {min(e_value, 1e6):,.0f}" if e_value >= 2 else f"{1 / e_value:.0%} of"  # noqa: PLR2004 - below, shares read better
