"""What `vigie policy` asks a running service, over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vigie_client import Body, VigieApi, VigieError
from vigie_client.calls import Call
from vigie_client.canonical import canonical

from app.commands.connection import fail

T = TypeVar("T")
Json = dict[str, Any]
# Refusals for which the advice on rounds of the same status would mislead.
_TOLD = {
    "policy_changed": "`vigie policy diff` shows what your file would change now.",
    "policy_too_large": "Nothing was changed.",
    "backtest_pending": "Nothing was changed.",
}


@dataclass(frozen=True)
class Plan:
    """What a policy would change of the version in force, field by field."""

    version: int
    changes: list[Json]


@dataclass(frozen=True)
class _IfMatch(Body):
    """A body that is taken only while this version is in force."""

    version: int = 0

    def packed(self) -> tuple[bytes, dict[str, str]]:
        """The bytes to send and their headers."""
        content, headers = super().packed()
        return content, {**headers, "If-Match": f'"{self.version}"'}


class PolicyService:
    """One federation's policy, as its service has it."""

    def __init__(self, api: VigieApi) -> None:
        self._api = api

    def version(self, number: int | None) -> Json:
        """A version of the policy: `version` and `policy`; None is the one in force."""
        path = "policy" if number is None else f"policy/versions/{number}"
        return self._ask(Call("GET", path, dict))

    def versions(self, limit: int) -> list[Json]:
        """The newest versions, newest first, without their documents."""
        return self._ask(Call("GET", "policy/versions", list, params={"limit": limit}))

    def plan(self, written: Mapping[str, Any]) -> Plan:
        """What putting this policy in force would change."""
        return self._ask(Call("POST", "policy/check", _plan, Body(canonical(dict(written)))))

    def put(self, written: Mapping[str, Any], version: int, why: str | None) -> int:
        """Put it in force while `version` still is; return the new version."""
        body = _IfMatch(canonical(dict(written)), version=version)
        params = {"why": why} if why else None
        return self._ask(Call("PUT", "policy", _version, body, params))

    def proposals(self) -> list[Json]:
        """The changes that false alarms speak for, newest first."""
        return self._ask(Call("GET", "policy/proposals", list))

    def decide(self, proposal: str, verb: str, why: str) -> Json:
        """Accept or dismiss one of them."""
        body = Body(canonical({"why": why}))
        return self._ask(Call("POST", f"policy/proposals/{proposal}/{verb}", dict, body))

    def _ask(self, call: Call[T]) -> T:
        try:
            return self._api._send(call)  # noqa: SLF001 - the client has no policies of its own
        except VigieError as error:
            if error.code in _TOLD:
                fail(f"{error.detail}\n{_TOLD[error.code]}")
            raise


def _plan(answer: Json) -> Plan:
    return Plan(answer["version"], answer["changes"])


def _version(answer: Json) -> int:
    return int(answer["version"])
