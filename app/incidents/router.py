"""HTTP of incidents."""

from fastapi import APIRouter

router = APIRouter(tags=["incidents"])
