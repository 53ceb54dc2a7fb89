"""Settings of how people sign in."""

from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


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
