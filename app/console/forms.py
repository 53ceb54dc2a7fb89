"""Fields that several forms have."""

from typing import Annotated

from fastapi import Form

Reason = Annotated[str, Form(min_length=1, max_length=1000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
