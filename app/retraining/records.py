"""One step of a retrain request, on record in the audit log."""

from sqlmodel import Session

from app.audit import service as audit
from app.retraining.tables import RetrainRequest


def record(
    session: Session,
    request: RetrainRequest,
    actor: str,
    verb: str,
    before: str | None,
    why: str | None = None,
) -> None:
    """Store the request as it is now, and put the step on record; `before` is its state then."""
    session.add(request)
    lease = request.lease_until
    audit.record(
        session,
        actor=actor,
        action=f"retraining.{verb}",
        entity=f"retrain_request:{request.id}",
        federation_id=request.federation_id,
        before={"state": before} if before else None,
        after={
            "state": request.state,
            "model": request.model,
            "claimed_by": request.claimed_by,
            "lease_until": lease.isoformat() if lease else None,
            "result_version": request.result_version,
        },
        why=why,
    )
