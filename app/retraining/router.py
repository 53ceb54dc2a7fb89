"""HTTP of retraining."""

from fastapi import APIRouter

router = APIRouter(tags=["retraining"])
