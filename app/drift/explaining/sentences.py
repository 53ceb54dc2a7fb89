"""An explanation as one plain sentence for people; it names no client."""

from collections.abc import Iterator

from app.drift.explaining.schemas import Explained, Fitting, Onset, Origin
from app.drift.scopes import Scope
from app.federations.policy.kinds import NUMBER, PROBABILITY, RATIO, kind_of

NAMES = {
    "log_loss": "Log loss",
    "error_rate": "Error rate",
    "score": "The distribution of scores",
    "prediction": "The mix of predictions",
    "calibration": "What is observed beyond what is predicted",
    "participation": "Participation",
    "error_share": "The share of clients that fail",
    "latency_ms": "Latency",
    "train_ms": "Training time",
    "peak_mb": "Peak memory",
    "update_norm": "The length of updates",
    "update_cosine": "The agreement of updates",
    "consensus_distance": "The distance between peers",
    "rejected_technical": "The share of records refused for their form",
    "rejected_functional": "The share of records refused for what they say",
    "forgetting": "Loss on what was known before",
}
PARTS = {
    "label": "The share of label {}",
    "feature": "The distribution of {}",
    "skew": "The gap between training and serving in {}",
    "forgetting": "Loss on {}",
}
HOW = {
    "abrupt": "suddenly",
    "incremental": "step by step",
    "gradual": "more and more often",
    "recurring": "on and off",
    "outlier": "in a single round",
}
ORIGINS = {
    "none": "labels and predictions fall together as before",
    "virtual": "inputs moved, and which label goes with which prediction did not",
    "label": "how often each label is changed, and nothing else",
    "real": "labels moved for the same predictions: the concept changed",
    "mixed": "inputs or labels moved, and the concept with them",
}
METRICS = {"error_rate": "error", "log_loss": "log loss"}
DISTRIBUTIONS = frozenset({"score", "prediction", "feature", "skew"})
MOSTLY = 0.5
MOST_OF_TWO_DIGITS = 99.5


def sentence_of(subject: str, scope: Scope, explained: Explained) -> str:
    """What moved, how far, since when, where, whether within clients, why, and back to what."""
    head = ", ".join(_head(subject, scope, explained))
    origin = _origin(explained.origin)
    first = f"{head}; {origin}." if origin else f"{head}."
    back = _recurrence(explained.recurrence)
    return f"{first} {back}" if back else first


def name_of(subject: str) -> str:
    """A subject in words, as a sentence begins."""
    kind, _, part = subject.partition(":")
    return PARTS[kind].format(part) if part else NAMES[kind]


def _head(subject: str, scope: Scope, explained: Explained) -> Iterator[str]:
    since = "" if explained.onset is None else f" since {_since(explained.onset)}"
    yield f"{name_of(subject)} {_movement(subject, explained)}{since}"
    if explained.kind is not None:
        yield HOW[explained.kind.kind]
    yield _where(scope, explained)
    yield from _most_of_it(explained)
    if explained.split is not None:
        within = explained.split.within_client >= MOSTLY
        yield "within clients" if within else "while the pooled figure moved by who takes part"


def _movement(subject: str, explained: Explained) -> str:
    evidence = explained.evidence
    effect, unit = evidence.effect or 0.0, evidence.effect_unit
    if kind_of(subject) in DISTRIBUTIONS:
        return f"moved by {_amount(abs(effect), unit)}"
    return f"{'rose' if effect > 0 else 'fell'} by {_amount(abs(effect), unit)}"


def _amount(effect: float, unit: str) -> str:
    if unit == PROBABILITY:
        return f"{_figure(100 * effect)} points"
    if unit == RATIO:
        return f"{_figure(100 * effect)}%"
    return _figure(effect) if unit == NUMBER else f"{_figure(effect)} {unit}".rstrip()


def _figure(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:.2g}" if value < MOST_OF_TWO_DIGITS else f"{value:,.0f}"


def _since(onset: Onset) -> str:
    exact = onset.earliest_step == onset.latest_step
    before = " or before" if onset.earlier_possible else ""
    return f"{'' if exact else 'about '}{onset.at:%Y-%m-%d} (step {onset.step}){before}"


def _where(scope: Scope, explained: Explained) -> str:
    if scope.kind != "federation":
        return "at one client" if scope.kind == "client" else f"in {scope.key}"
    evidence = explained.evidence
    if not evidence.clients_judged:
        return "in the whole federation"
    return f"at {evidence.clients_moved} of {evidence.clients_judged} clients"


def _most_of_it(explained: Explained) -> Iterator[str]:
    """The cohorts that the group is which carries most, if it is not everybody."""
    for cluster in () if explained.clusters is None else explained.clusters.moved[:1]:
        if cluster.cohorts and cluster.share >= MOSTLY:
            yield f"most of it in {' and '.join(cluster.cohorts)}"


def _origin(origin: Origin | None) -> str:
    if origin is None:
        return ""
    if origin.origin is None:
        return f"where it comes from cannot be told: {origin.missing}"
    if origin.origin == "real" and not origin.inputs_moved:
        return "labels moved, inputs did not: the concept changed"
    if origin.origin == "real":
        return "labels moved for the same predictions, and inputs moved as well"
    return ORIGINS[origin.origin]


def _recurrence(found: Fitting | None) -> str:
    if found is None:
        return ""
    when = f"as in {found.since:%B %Y}"
    told = f"Things are {when}, when version {found.version} was the reference"
    if found.metric is None or found.figure_then is None or found.figure_now is None:
        return f"{told}."
    name = METRICS[found.metric]
    return (
        f"{told}: it had {name} {found.figure_then:.2g} there, against {found.figure_now:.2g} now."
    )
