"""HTTP of rounds."""

from fastapi import APIRouter

router = APIRouter(tags=["rounds"])
