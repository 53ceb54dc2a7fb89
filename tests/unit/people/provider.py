"""A real OpenID Connect provider on loopback: Authlib's own server parts, in a thread.

It signs with RS256, shows its keys, takes each code once, and can be told to lie.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from authlib.oidc.core.util import create_half_hash
from flask import Flask, jsonify
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "vigie", "the client's secret"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


class Client(ClientMixin):
    """Vigie, as the provider knows it."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri

    def get_client_id(self):
        return CLIENT_ID

    def get_default_redirect_uri(self):
        return self.redirect_uri

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret):
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


class Code(AuthorizationCodeMixin):
    """What an authorization request led to."""

    def __init__(self, payload: Any) -> None:
        data = payload.data
        self.redirect_uri, self.scope = payload.redirect_uri, payload.scope
        self.nonce = data.get("nonce")
        self.code_challenge = data["code_challenge"]
        self.code_challenge_method = data["code_challenge_method"]

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return int(time.time())

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class Provider:
    """The provider, with the one person who is signed in to it, and how it lies."""

    def __init__(self, redirect_uri: str) -> None:
        self.client, self.codes = Client(redirect_uri), {}
        self.person: dict[str, Any] = {
            "sub": "248289761001",
            "name": "Grace Hopper",
            "email": "Grace@hospital.example",
            "email_verified": True,
            "groups": ["everybody", "vigie-validators"],
        }
        self.lies: dict[str, Any] = {}
        self.key, self.header = KEY, {"alg": "RS256", "kid": "one"}
        self.app = Flask("provider")
        self.server = AuthorizationServer(
            self.app, query_client=lambda _id: self.client, save_token=lambda *_: None
        )
        self.server.register_grant(
            self._grant(), [CodeChallenge(required=True), self._tokens()(require_nonce=True)]
        )
        self._routes()

    def _grant(self):
        codes = self.codes

        class Grant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

            def save_authorization_code(self, code, request):
                codes[code] = Code(request.payload)

            def query_authorization_code(self, code, client):
                return codes.pop(code, None)  # once

            def delete_authorization_code(self, authorization_code):
                pass

            def authenticate_user(self, authorization_code):
                return "grace"

        return Grant

    def _tokens(self):
        provider = self

        class Tokens(OpenIDCode):
            def exists_nonce(self, nonce, request):
                return False

            def encode_id_token(self, token, request):
                now = int(time.time())
                claims = {
                    "iss": provider.issuer,
                    "aud": CLIENT_ID,
                    "iat": now,
                    "exp": now + 300,
                    "at_hash": create_half_hash(token["access_token"], "RS256").decode(),
                    **self.get_authorization_code_claims(request.authorization_code),
                    **provider.person,
                    **provider.lies,
                }
                algorithms = [provider.header["alg"]]
                return jwt.encode(provider.header, claims, provider.key, algorithms=algorithms)

        return Tokens

    def _routes(self) -> None:
        @self.app.get("/.well-known/openid-configuration")
        def about():
            return jsonify(
                issuer=self.issuer,
                authorization_endpoint=f"{self.issuer}/authorize",
                token_endpoint=f"{self.issuer}/token",
                jwks_uri=f"{self.issuer}/keys",
            )

        @self.app.get("/keys")
        def keys():
            return jsonify(keys=[KEY.as_dict(private=False)])

        @self.app.get("/authorize")
        def authorize():
            grant = self.server.get_consent_grant(end_user="grace")
            return self.server.create_authorization_response(grant_user="grace", grant=grant)

        @self.app.post("/token")
        def token():
            return self.server.create_token_response()

    issuer = ""


@contextmanager
def running(redirect_uri: str) -> Iterator[Provider]:
    """The provider, answering on a free port of 127.0.0.1."""
    provider = Provider(redirect_uri)
    server = make_server("127.0.0.1", 0, provider.app, threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
