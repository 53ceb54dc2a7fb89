"""The whole policy, and the one text of it that is hashed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from app.federations.policy.canary import CanaryPolicy
from app.federations.policy.drift import DriftPolicy
from app.federations.policy.incidents import IncidentPolicy
from app.federations.policy.ingest import IngestPolicy, PrivacyPolicy
from app.federations.policy.part import Fault, PolicyPart, refuse
from app.federations.policy.promotion import PromotionPolicy
from app.federations.policy.references import ReferencePolicy
from app.federations.policy.registry import RegistryPolicy
from app.federations.policy.reports import ReportPolicy
from app.federations.policy.retraining import RetrainingPolicy


class Policy(PolicyPart):
    """The whole policy of a federation."""

    ingest: IngestPolicy = IngestPolicy()
    privacy: PrivacyPolicy = PrivacyPolicy()
    reference: ReferencePolicy = ReferencePolicy()
    drift: DriftPolicy = DriftPolicy()
    incidents: IncidentPolicy = IncidentPolicy()
    retraining: RetrainingPolicy = RetrainingPolicy()
    canary: CanaryPolicy = CanaryPolicy()
    registry: RegistryPolicy = RegistryPolicy()
    promotion: PromotionPolicy = PromotionPolicy()
    reports: ReportPolicy = ReportPolicy()

    @model_validator(mode="after")
    def _no_overlap(self) -> "Policy":
        """A reference never holds a round under test."""
        reference, latest = self.reference, self.drift.latest_rounds
        if reference.kind == "seasonal" and reference.season_rounds is None:
            told = "A seasonal reference needs the number of rounds in a season."
            refuse([Fault(("reference", "season_rounds"), "missing", told)])
        window = reference.window(latest)
        if window is not None and window.newest < latest:
            field = "trailing_gap" if reference.kind == "trailing" else "season_rounds"
            told = (
                f"The reference would hold rounds under test: raise it by"
                f" {latest - window.newest} at least, or lower drift.latest_rounds."
            )
            refuse([Fault(("reference", field), "reference_overlaps", told)])
        return self


def document_of(policy: Policy) -> dict[str, Any]:
    """The policy as it is stored: every field, and of subjects only what is said of them."""
    document = policy.model_dump(mode="json")
    subjects = document["drift"]["subjects"]
    for name, entry in subjects.items():
        subjects[name] = {field: value for field, value in entry.items() if value is not None}
    return document


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one text of a policy document: JSON with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256_of(document: Mapping[str, Any]) -> str:
    """The hash that names a policy document's content; hex."""
    return hashlib.sha256(canonical(document)).hexdigest()
