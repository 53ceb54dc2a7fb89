"""The gate: what of a push may come in, record by record, and why the rest may not.

A schema says what has the right form; the checks here say what fits the federation, its bin spec
and itself. Nothing of a refused record is kept but where it was wrong, why, and a hash to recognise
it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.core.errors import FieldError
from app.core.validation import field_of, message_of
from app.federations.tables import Federation
from app.rounds.parsing import Unusable
from app.rounds.schemas import (
    BinSpecIn,
    CategoricalBins,
    ClientRecord,
    Envelope,
    Metrics,
    Phase,
)

# Rounding of sums in float64 over many examples.
SLACK = 1e-6
MAX_ERRORS_SHOWN = 20

_LOOKS_LIKE_IDENTITY = re.compile(
    r"@|^\d{1,3}(\.\d{1,3}){3}$|^[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:|^([0-9A-Fa-f]{2}-){5}|^\d+$|^[\w-]+\.[\w.-]+$"
)


@dataclass(frozen=True)
class GateContext:
    """What a record is checked against."""

    federation: Federation
    envelope: Envelope
    phase: Phase
    bins: BinSpecIn | None

    @property
    def noisy(self) -> bool:
        """Whether counts carry declared noise, and may be negative or broken."""
        return self.envelope.privacy.mechanism != "none"


def check_envelope(tree: dict[str, Any], federation: Federation, phase: Phase) -> Envelope:
    """The push without its clients.

    Raises:
        EnvelopeRefused: naming every wrong field.
    """
    try:
        envelope = Envelope.model_validate({k: v for k, v in tree.items() if k != "clients"})
    except ValidationError as error:
        raise EnvelopeRefused(tuple(_field_errors(error, ()))) from error
    errors = tuple(_envelope_errors(envelope, federation, phase))
    if errors:
        raise EnvelopeRefused(errors)
    return envelope


def check_record(raw: object, index: int, context: GateContext) -> ClientRecord | FieldError:
    """The record, or the first thing that is wrong with it."""
    at = ("clients", str(index))
    try:
        record = ClientRecord.model_validate(raw)
    except ValidationError as error:
        return next(_field_errors(error, at))
    return next(_record_errors(record, context, at), record)


class EnvelopeRefused(Exception):  # noqa: N818 - a refusal, which the service turns into an answer
    """The envelope is wrong, so nothing of the push can be used."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(errors)
        self.errors = errors


def _field_errors(error: ValidationError, at: tuple[str, ...]) -> Iterator[FieldError]:
    for item in error.errors(include_url=False, include_context=False)[:MAX_ERRORS_SHOWN]:
        field = field_of((*at, *item["loc"]))
        given = item.get("input")
        if isinstance(given, Unusable):
            yield FieldError(field, given.code, given.message)
        elif item["loc"][-1:] == ("client",) and isinstance(given, str):
            yield _pseudonym_error(field, given)
        else:
            yield FieldError(field, item["type"], message_of(dict(item)))


def _pseudonym_error(field: str, given: str) -> FieldError:
    if _LOOKS_LIKE_IDENTITY.search(given):
        message = "This looks like an identity or address. Send c_ and 32 hex digits of an HMAC."
        return FieldError(field, "identity_like_pseudonym", message)
    message = "A pseudonym is c_ and 32 lower-case hex digits of an HMAC-SHA256."
    return FieldError(field, "malformed_pseudonym", message)


def _envelope_errors(
    envelope: Envelope, federation: Federation, phase: Phase
) -> Iterator[FieldError]:
    if envelope.ended_at < envelope.started_at:
        yield FieldError("ended_at", "ends_before_start", "A round ends after it started.")
    if phase is Phase.CANARY and envelope.model.canary_version is None:
        message = "A canary round names the candidate as `model.canary_version`."
        yield FieldError("model.canary_version", "missing", message)
    if envelope.model.canary_version == envelope.model.version:
        message = "The candidate and the champion are different versions."
        yield FieldError("model.canary_version", "same_version", message)
    privacy = envelope.privacy
    if privacy.mechanism != "none" and (privacy.epsilon is None or privacy.sensitivity is None):
        message = "Declared noise needs `epsilon` and `sensitivity`, or nobody can account for it."
        yield FieldError("privacy.epsilon", "noise_undeclared", message)
    if privacy.mechanism == "gaussian" and not privacy.delta:
        message = "Gaussian noise needs `delta` above 0, or nobody can account for it."
        yield FieldError("privacy.delta", "noise_undeclared", message)
    if privacy.secure_aggregation and (privacy.cohort_size or 0) < federation.min_cohort_size:
        message = f"An aggregate stands for at least {federation.min_cohort_size} clients."
        yield FieldError("privacy.cohort_size", "cohort_too_small", message)


def _record_errors(
    record: ClientRecord, context: GateContext, at: tuple[str, ...]
) -> Iterator[FieldError]:
    def wrong(path: tuple[str, ...], code: str, message: str) -> FieldError:
        return FieldError(field_of((*at, *path)), code, message)

    for tag, value in record.cohorts.items():
        if value not in context.federation.cohort_tags.get(tag, ()):
            message = "This tag and value are not on the federation's allow-list."
            yield wrong(("cohorts", tag), "unknown_cohort_tag", message)
    if record.canary is not None and context.phase is not Phase.CANARY:
        message = "A canary block belongs to a round of phase canary."
        yield wrong(("canary",), "canary_out_of_phase", message)
    for path, counts, expected in _counts(record, context.bins):
        if expected is None:
            message = "The push's bin spec does not name this; counts need bins that all share."
            yield wrong(path, "no_bins", message)
        elif len(counts) != expected:
            message = f"The bin spec asks for {expected} counts here, and {len(counts)} were sent."
            yield wrong(path, "wrong_bin_count", message)
        elif not context.noisy:
            yield from (wrong(*error) for error in _exact_count_errors(path, counts, record))
    if not context.noisy:
        yield from (wrong(*error) for error in _moment_errors(record))


_Finding = tuple[tuple[str, ...], str, str]


def _counts(
    record: ClientRecord, bins: BinSpecIn | None
) -> Iterator[tuple[tuple[str, ...], list[float], int | None]]:
    """Every list of counts in a record: its path, its values, how many the bin spec asks for."""
    labels = len(bins.labels) if bins else None
    scores = len(bins.score.edges) - 1 if bins else None
    single: list[tuple[tuple[str, ...], list[float] | None, int | None]] = [
        (("label_counts",), record.label_counts, labels),
        (("prediction_counts",), record.prediction_counts, labels),
        (("score_histogram",), record.score_histogram, scores),
    ]
    matrices: list[tuple[tuple[str, ...], list[list[float]] | None]] = [
        (("confusion",), record.confusion)
    ]
    if record.canary is not None:
        single.append((("canary", "score_histogram"), record.canary.score_histogram, scores))
        matrices.append((("canary", "confusion"), record.canary.confusion))
        matrices.append((("canary", "crossed"), record.canary.crossed))
        for row, cells in enumerate(record.canary.agreement or ()):
            single.append((("canary", "agreement", str(row)), cells, 2))
    for path, matrix in matrices:
        if matrix is not None and len(matrix) != labels:
            yield path, [float(len(row)) for row in matrix], labels
        for row, cells in enumerate(matrix or ()):
            single.append(((*path, str(row)), cells, labels))
    for name, counts in record.features.items():
        single.append((("features", name), counts, _feature_bins(bins, name)))
    directions = bins.projections if bins else None
    expected = len(directions.edges) - 1 if directions else None
    for number, counts in enumerate(record.projections or ()):
        single.append((("projections", str(number)), counts, expected))
    count = len(directions.features) * directions.bases if directions else None
    if count is not None and record.projections is not None and len(record.projections) != count:
        yield ("projections",), [float(len(row)) for row in record.projections], count
    yield from ((path, values, size) for path, values, size in single if values is not None)


def _feature_bins(bins: BinSpecIn | None, name: str) -> int | None:
    feature = bins.features.get(name) if bins else None
    if feature is None:
        return None
    if isinstance(feature, CategoricalBins):
        return len(feature.categories) + 1
    return len(feature.edges) - 1


def _exact_count_errors(
    path: tuple[str, ...], counts: list[float], record: ClientRecord
) -> Iterator[_Finding]:
    for position, count in enumerate(counts):
        if count < 0:
            message = "A count is at least 0 unless the push declares noise under `privacy`."
            yield (*path, str(position)), "negative_count", message
        elif count != int(count):
            message = "A count is a whole number unless the push declares noise under `privacy`."
            yield (*path, str(position)), "broken_count", message
    if sum(counts) > record.num_examples:
        message = "The counts add up to more than `num_examples`."
        yield path, "inconsistent_counts", message


def _moment_errors(record: ClientRecord) -> Iterator[_Finding]:
    blocks: list[tuple[tuple[str, ...], Metrics | None]] = [(("metrics",), record.metrics)]
    if record.canary is not None:
        blocks.append((("canary", "metrics"), record.canary.metrics))
    for path, metrics in blocks:
        if metrics is None:
            continue
        total, squares = metrics.loss_sum, metrics.loss_sumsq
        if total is not None and squares is not None:
            least = total * total / max(record.num_examples, 1)
            if squares < least * (1 - SLACK) - SLACK:
                message = "No losses have this sum and this sum of squares (Cauchy-Schwarz)."
                yield (*path, "loss_sumsq"), "impossible_moments", message
        right = metrics.correct_count
        if right is not None and not 0 <= right <= record.num_examples:
            message = "Right predictions are between 0 and `num_examples`."
            yield (*path, "correct_count"), "inconsistent_counts", message
