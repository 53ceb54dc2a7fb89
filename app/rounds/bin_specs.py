"""Decisions on bin specs: the edges and categories that every client counts on."""

import hashlib
import json
from itertools import pairwise
from threading import Lock
from uuid import UUID

from cachetools import LRUCache, cached
from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import FieldError, NotFoundError
from app.federations.tables import Federation
from app.rounds import repository
from app.rounds.errors import InvalidBinSpecError
from app.rounds.layout import Spec
from app.rounds.schemas import BinSpecIn, NumericBins
from app.rounds.tables import BinSpec, Round

ID_HEX_DIGITS = 16
_remembering = Lock()
_remembered: LRUCache[tuple[UUID, str], Spec] = LRUCache(maxsize=256)  # a spec never changes


def define(session: Session, federation: Federation, body: BinSpecIn, actor: str) -> BinSpec:
    """Store a bin spec; the same content again is the same spec.

    Raises:
        InvalidBinSpecError: if edges do not increase, or projections do not fit their features.
    """
    errors = tuple(_errors(body))
    if errors:
        raise InvalidBinSpecError("The bin spec cannot be counted on; see `errors`.", errors)
    document = body.model_dump(mode="json")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    spec_id = f"bs_{hashlib.sha256(canonical.encode()).hexdigest()[:ID_HEX_DIGITS]}"
    known = repository.bin_spec(session, federation.id, spec_id)
    if known is not None:
        return known
    made = BinSpec(
        federation_id=federation.id, id=spec_id, document=document, created_at=clock.now()
    )
    if not repository.insert_bin_spec(session, made):
        return get(session, federation, spec_id)
    audit.record(
        session,
        actor=actor,
        action="bin_spec.define",
        entity=f"bin_spec:{spec_id}",
        federation_id=federation.id,
        after=document,
    )
    return made


def get(session: Session, federation: Federation, spec_id: str) -> BinSpec:
    """A bin spec by id."""
    found = repository.bin_spec(session, federation.id, spec_id)
    if found is None:
        raise NotFoundError("bin spec", spec_id)
    return found


def bins_of(session: Session, federation: Federation, round_: Round) -> BinSpecIn | None:
    """What a round's clients count on; None where it names no bin spec."""
    if round_.bin_spec is None:
        return None
    return _bins(session, federation, round_.bin_spec)


@cached(
    LRUCache(maxsize=256),
    key=lambda _session, federation, spec_id: (federation.id, spec_id),
    lock=Lock(),
)
def _bins(session: Session, federation: Federation, spec_id: str) -> BinSpecIn:
    return BinSpecIn.model_validate(get(session, federation, spec_id).document)


def known(session: Session, federation: Federation, spec_id: str) -> Spec | None:
    """A bin spec by id, for every push anew: one that was found once is remembered."""
    key = (federation.id, spec_id)
    with _remembering:
        spec = _remembered.get(key)
    if spec is None and (found := repository.bin_spec(session, *key)) is not None:
        spec = Spec(found.id, found.document)
        with _remembering:
            _remembered[key] = spec
    return spec


def every(session: Session, federation: Federation) -> list[BinSpec]:
    """All bin specs of a federation."""
    return repository.bin_specs(session, federation.id)


def _errors(body: BinSpecIn) -> list[FieldError]:
    edges = {"score.edges": body.score.edges}
    for name, feature in body.features.items():
        if isinstance(feature, NumericBins):
            edges[f"features.{name}.edges"] = feature.edges
    if body.projections is not None:
        edges["projections.edges"] = body.projections.edges
    message = "Edges must increase strictly."
    errors = [
        FieldError(field, "edges_not_increasing", message)
        for field, values in edges.items()
        if any(left >= right for left, right in pairwise(values))
    ]
    return errors + _projection_errors(body)


def _projection_errors(body: BinSpecIn) -> list[FieldError]:
    directions = body.projections
    if directions is None:
        return []
    dimension = len(directions.features)
    errors = [
        FieldError(
            f"projections.{field}", "wrong_length", f"One value for each of {dimension} features."
        )
        for field, values in (("center", directions.center), ("scale", directions.scale))
        if len(values) != dimension
    ]
    if any(value == 0 for value in directions.scale):
        errors.append(FieldError("projections.scale", "zero_scale", "A scale is above 0."))
    return errors
