"""A federation's policy: what counts as drift, what is serious, when to retrain, who decides.

Every field has a default that serves a newcomer, who writes none.
"""

from app.federations.policy.canary import CanaryPolicy, GuardrailPolicy
from app.federations.policy.changes import Change, changes
from app.federations.policy.document import Policy, document_of, sha256_of
from app.federations.policy.drift import DriftPolicy
from app.federations.policy.effects import EffectPolicy
from app.federations.policy.incidents import IncidentPolicy
from app.federations.policy.ingest import IngestPolicy, PrivacyPolicy
from app.federations.policy.kinds import KINDS, UnknownSubjectError
from app.federations.policy.part import PolicyPart, Severity
from app.federations.policy.promotion import ApprovalPolicy, PromotionPolicy
from app.federations.policy.references import ReferencePolicy, ReferenceWindow
from app.federations.policy.registry import RegistryPolicy
from app.federations.policy.reports import ReportPolicy
from app.federations.policy.retraining import RetrainingPolicy
from app.federations.policy.subjects import ResolvedSubject, SubjectPolicy

__all__ = [
    "KINDS",
    "ApprovalPolicy",
    "CanaryPolicy",
    "Change",
    "DriftPolicy",
    "EffectPolicy",
    "GuardrailPolicy",
    "IncidentPolicy",
    "IngestPolicy",
    "Policy",
    "PolicyPart",
    "PrivacyPolicy",
    "PromotionPolicy",
    "ReferencePolicy",
    "ReferenceWindow",
    "RegistryPolicy",
    "ReportPolicy",
    "ResolvedSubject",
    "RetrainingPolicy",
    "Severity",
    "SubjectPolicy",
    "UnknownSubjectError",
    "changes",
    "document_of",
    "sha256_of",
]
