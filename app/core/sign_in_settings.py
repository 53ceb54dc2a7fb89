"""Settings of how people sign in."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import BaseSettings

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# `flights:validator`, or `*:admin` for all federations.
RoleSomewhere = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,62}):"
        r"(viewer|analyst|on_call|developer|owner|validator|auditor|admin)$"
    ),
]


class SignInSettings(BaseSettings):
    """How long sessions last, and over what their cookies travel."""

    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Address that people use, for links in alerts."
    )
    secure_cookies: bool | None = Field(
        default=None,
        description="Send cookies over HTTPS only; default: unless public_url is http on loopback.",
    )
    session_idle_minutes: int = Field(
        default=60, ge=1, description="Minutes without use after which a session ends."
    )
    session_hours: int = Field(default=12, ge=1, description="Hours after which a session ends.")
    oidc_issuer: str | None = Field(
        default=None,
        pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])",
        description="Issuer of the OpenID Connect provider; default: people have passwords.",
    )
    oidc_client_id: str | None = Field(default=None, description="What the provider calls Vigie.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="The client's secret; none for a public client."
    )
    oidc_client_secret_file: Path | None = Field(
        default=None, description="File that holds the client's secret."
    )
    oidc_scope: str = Field(
        default="openid profile email", description="What the provider is asked for."
    )
    oidc_login_claim: str = Field(
        default="email", description="Claim that is the login; email counts only if verified."
    )
    oidc_groups_claim: str = Field(default="groups", description="Claim that lists the groups.")
    oidc_roles: dict[str, list[RoleSomewhere]] = Field(
        default={}, description="Roles of groups, as JSON; the first for a federation counts."
    )

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if self.oidc_issuer is not None and self.oidc_client_id is None:
            raise ValueError("VIGIE_OIDC_ISSUER needs VIGIE_OIDC_CLIENT_ID")
        return self

    @property
    def oidc_secret(self) -> str | None:
        """The client's secret, from its setting or file."""
        if self.oidc_client_secret is not None:
            return self.oidc_client_secret.get_secret_value()
        file = self.oidc_client_secret_file
        return file.read_text().strip() if file is not None else None

    @property
    def cookies_are_secure(self) -> bool:
        """Whether cookies are sent over HTTPS only; left out only where nothing leaves here."""
        if self.secure_cookies is not None:
            return self.secure_cookies
        address = urlsplit(self.public_url)
        return not (address.scheme == "http" and address.hostname in LOOPBACK)

    @property
    def session_idle(self) -> timedelta:
        """How long a session lasts without use."""
        return timedelta(minutes=self.session_idle_minutes)

    @property
    def session_most(self) -> timedelta:
        """How long a session lasts at most."""
        return timedelta(hours=self.session_hours)
