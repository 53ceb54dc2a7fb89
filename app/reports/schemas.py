"""API bodies of reports."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.reports.states import Kind, ReportState
from app.reports.tables import Report


class ReportBuilding(BaseModel):
    """The report is not there yet."""

    state: Literal["building"] = "building"


class ReportOut(BaseModel):
    """A report, and where to look for it."""

    id: UUID
    kind: Kind
    subject_id: UUID = Field(
        description="Of the round, incident, model version or promotion; of a period, the model."
    )
    model: str
    version: str
    period: str = Field(description="Of a scheduled report; else empty.", examples=["steps 1 to 8"])
    state: ReportState
    error: str | None = Field(description="Why it could not be built.")
    evidence_sha256: str = Field(description="Of the evidence: as long as it holds, so does this.")
    asked_at: datetime
    built_at: datetime | None
    html: str = Field(description="Where the page is, once it is ready.")
    json_: str = Field(serialization_alias="json", description="Where the same is as JSON.")

    @classmethod
    def of(cls, report: Report, federation: str) -> "ReportOut":
        """The body of a report."""
        here = f"/v1/federations/{federation}/reports/{report.id}"
        told = {name: getattr(report, name) for name in cls.model_fields if hasattr(report, name)}
        return cls.model_validate(told | {"html": f"{here}.html", "json_": f"{here}.json"})
