"""OpenID Connect: the authorization code flow with PKCE, by Authlib, and what it proves.

State, nonce and code verifier are made from one random cookie, so nothing is stored until somebody
has proved who they are, and an answer is of use only to the browser that asked.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from cachetools import TTLCache, cached
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.core import clock
from app.core.sign_in_settings import LOOPBACK
from app.people import tokens
from app.people.errors import ProviderError, ProviderRefusedError

ALGORITHMS = ["RS256", "ES256"]
SECONDS, LEEWAY = 10.0, 60  # for each answer of the provider; between its clock and ours
PATIENCE = 600  # seconds that somebody may take at the provider

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Client:
    """This service, as the provider knows it."""

    issuer: str
    client_id: str
    client_secret: str | None
    scope: str
    redirect_uri: str
    secret_key: bytes  # of this service

    def begin(self, after: str) -> tuple[str, str]:
        """The address to send somebody to, and the cookie of their attempt.

        Raises:
            ProviderError: if the provider does not say where that is.
        """
        cookie = f"{tokens.new()}~{int(clock.now().timestamp())}~{after}"
        address: str = prepare_grant_uri(
            discovered(self.issuer)["authorization_endpoint"],
            client_id=self.client_id,
            response_type="code",
            redirect_uri=self.redirect_uri,
            scope=self.scope,
            state=self._made(cookie, "state"),
            nonce=self._made(cookie, "nonce"),
            code_challenge=create_s256_code_challenge(self._made(cookie, "verifier")),
            code_challenge_method="S256",
        )
        return address, cookie

    def finish(self, cookie: str, state: str, code: str) -> dict[str, Any]:
        """What the provider says of who came back: the claims of a verified ID token.

        Raises:
            ProviderRefusedError: if the answer is not this browser's, is late, or proves nothing.
            ProviderError: if the provider does not answer.
        """
        if not tokens.same(state, self._made(cookie, "state")) or _is_late(cookie):
            raise ProviderRefusedError
        try:
            token = self._fetch(code, self._made(cookie, "verifier"))
            return self._claims(token, self._made(cookie, "nonce"))
        except (JoseError, KeyError, TypeError, ValueError) as error:
            log.warning("oidc.refused", error=type(error).__name__)
            raise ProviderRefusedError from error
        except httpx.HTTPError as error:
            raise ProviderError from error

    def _fetch(self, code: str, verifier: str) -> dict[str, Any]:
        """What the code is worth; a code that was used, or is somebody else's, is worth nothing."""
        body = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code": code,
            "code_verifier": verifier,
        }
        known_by = (self.client_id, self.client_secret) if self.client_secret else None
        address = discovered(self.issuer)["token_endpoint"]
        answer = httpx.post(address, data=body, auth=known_by, timeout=SECONDS)
        if answer.is_client_error:
            raise ProviderRefusedError
        token: dict[str, Any] = answer.raise_for_status().json()
        return token

    def _claims(self, token: dict[str, Any], nonce: str) -> dict[str, Any]:
        told: Any = _json(discovered(self.issuer)["jwks_uri"])
        keys = KeySet.import_key_set(told)
        read = jwt.decode(token["id_token"], keys, algorithms=ALGORITHMS)
        claims = CodeIDToken(
            read.claims,
            read.header,
            options={
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self.client_id},
            },
            params={
                "nonce": nonce,
                "client_id": self.client_id,
                "access_token": token.get("access_token"),
            },
        )
        claims.validate(now=int(clock.now().timestamp()), leeway=LEEWAY)
        return dict(claims)

    def _made(self, cookie: str, what: str) -> str:
        return tokens.digest(cookie, self.secret_key, f"sign-in {what}")


@cached(TTLCache(maxsize=8, ttl=300), lock=Lock())
def discovered(issuer: str) -> dict[str, Any]:
    """What the provider says of itself; kept for five minutes.

    Raises:
        ProviderError: if it does not answer, calls itself otherwise, or has an address without TLS.
    """
    found = _json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    ends = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if found.get("issuer") != issuer or not all(_is_private(found.get(end)) for end in ends):
        raise ProviderError
    return found


def _json(address: str) -> dict[str, Any]:
    try:
        answer = httpx.get(address, timeout=SECONDS).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        log.warning("oidc.unreachable", error=type(error).__name__)
        raise ProviderError from error
    if not isinstance(answer, dict):
        raise ProviderError
    return answer


def _is_private(address: object) -> bool:
    """Whether nobody on the way can read what is sent there."""
    parts = urlsplit(str(address))
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _is_late(cookie: str) -> bool:
    began = cookie.split("~")[1]  # ours: the state is made from it
    return clock.now().timestamp() - int(began) > PATIENCE
