"""HTTP of registry."""

from fastapi import APIRouter

router = APIRouter(tags=["registry"])
