"""HTTP of console."""

from fastapi import APIRouter

router = APIRouter(tags=["console"])
