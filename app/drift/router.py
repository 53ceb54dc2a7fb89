"""HTTP of drift."""

from fastapi import APIRouter

router = APIRouter(tags=["drift"])
