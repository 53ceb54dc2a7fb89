"""Schemathesis on the OpenAPI document: no request gets a 5xx, or a status that is not documented.

Every operation is called in-process with generated requests, right ones and wrong ones, mostly in
a federation that exists and with a key that may. The operations are told in parts, one for each
file of tests, so that workers share them.
"""

from dataclasses import dataclass
from typing import Any

import hypothesis
import schemathesis
from httpx import Response
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from app.core.database import Database
from app.core.problems import MEDIA_TYPE
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.main import create_app
from tests.calling import Caller

EXAMPLES = 200
OURS = "flights"
OF_ALL = "admin of all federations"  # may call whatever there is
HOLDERS = [*Role, *Role, *[OF_ALL] * len(Role), None]
PARTS = {
    "rounds": {"bin-specs", "privacy", "references", "refusals", "rounds", "runs", "verdicts"},
    "models": {"inventory", "models", "promotions", "registry", "retrain-requests"},
}


def document() -> dict[str, Any]:
    return create_app(Settings(secret="s" * 32)).openapi()


DOCUMENT = document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.config.generation.with_security_parameters = False  # `House.send` brings the key
OPERATIONS = {one.label: one for one in (found.ok() for found in SCHEMA.get_all_operations())}


@dataclass(frozen=True)
class House:
    """The API on a database with one federation, and keys by role, and one for all federations."""

    caller: Caller
    keys: dict[str, str]

    def send(self, case: schemathesis.Case, holder: str | None, federation: str | None) -> Response:
        """Send a generated request as this caller, to this federation unless it is None."""
        if federation and "federation" in case.path_parameters:
            case.path_parameters["federation"] = federation
        told = case.as_transport_kwargs(base_url="http://testserver")
        headers = {name: str(value) for name, value in dict(told.get("headers") or {}).items()}
        headers = {name: value for name, value in headers.items() if name != "Authorization"}
        if holder is not None:
            headers["Authorization"] = f"Bearer {self.keys[holder]}"
        content = {"json": told["json"]} if "json" in told else {"content": told.get("data")}
        return self.caller.request(
            told["method"],
            told["url"],
            params=told.get("params"),
            headers={name: value.encode("utf-8") for name, value in headers.items()},
            **content,
        )


def keys(database: Database, settings: Settings) -> dict[str, str]:
    """A new federation's keys by role, and one that opens all."""
    body = FederationIn(name=OURS, title="Flights", cohort_tags={"hub": ["EWR"]})
    with database.session_scope() as session:
        ours = federations.create(session, body, "test")
        opened = {role.value: (ours, role) for role in Role} | {OF_ALL: (None, Role.ADMIN)}
        return {
            holder: federations.issue_key(
                session, where, KeyIn(holder=holder, role=role), "test", settings.secret_key
            )[1]
            for holder, (where, role) in opened.items()
        }


def labels(part: str) -> list[str]:
    """The operations of a part, in order; "others" is what no other has."""
    return sorted(label for label in OPERATIONS if _part(label) == part)


def _part(label: str) -> str:
    about = label.partition("{federation}/")[2].partition("/")[0]
    return next((part for part, subjects in PARTS.items() if about in subjects), "others")


def requests(operation: Any) -> st.SearchStrategy[schemathesis.Case]:
    """Right requests and wrong ones; an operation that takes nothing has no wrong ones."""
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    takes = operation.body or any(True for _ in operation.iter_parameters())
    if not takes:
        return right
    return right | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def hold(house: House, label: str) -> None:
    """The operation keeps to the document, whatever it is sent."""
    operation = OPERATIONS[label]
    documented = DOCUMENT["paths"][operation.path][operation.method]["responses"]

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=requests(operation),
        holder=st.sampled_from(HOLDERS),
        ours=st.sampled_from([OURS, OURS, OURS, None]),
    )
    def check(case: schemathesis.Case, holder: str | None, ours: str | None) -> None:
        answer = house.send(case, holder, ours)
        assert answer.status_code < 500, (answer.status_code, answer.text, case)
        assert str(answer.status_code) in documented, (answer.text, case)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == MEDIA_TYPE
            assert answer.json()["type"].startswith("urn:vigie:problem:")

    check()
