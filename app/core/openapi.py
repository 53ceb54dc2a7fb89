"""The OpenAPI document, with the schemas of bodies that a route reads raw."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

REF = "#/components/schemas/{model}"


def describe_raw_bodies(app: FastAPI, models: Iterable[type[BaseModel]]) -> None:
    """Add to the document the schemas that routes refer to by name alone.

    A route that reads its body raw, to refuse parts of it one by one, names its schema in
    `openapi_extra`; FastAPI does not see the class behind the name.
    """
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        schemas = document["components"]["schemas"]
        for model in models:
            schema = model.model_json_schema(ref_template=REF)
            for name, part in schema.pop("$defs", {}).items():
                schemas.setdefault(name, part)
            schemas[model.__name__] = schema
        return document

    app.openapi = openapi  # type: ignore[method-assign]
