"""The OpenAPI document: what routes cannot say of themselves is added in one place.

A route that reads its body raw, to refuse parts of it one by one, names its schema in
`openapi_extra`; FastAPI does not see the class behind the name. And what a route may be refused
with follows from its form: whether it asks for a key, takes parameters or a body, or changes
something. A route declares only what does not follow, by status and description.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from app.core import problems

REF = "#/components/schemas/{model}"
REFUSALS = {
    400: "The body is not what its headers say.",
    401: "No key, or one that opens nothing.",
    403: "The key's role does not allow it.",
    404: "No such thing, or not for this key.",
    409: "It contradicts what is there; nothing was changed.",
    413: "The body is over the cap, packed or unpacked.",
    415: "A `Content-Encoding` other than gzip.",
    422: "A field has not the form or range it should have; `errors` names it.",
    503: "The database does not answer; send the same again after `Retry-After`.",
}
UNPROCESSABLE = 422
Operation = dict[str, Any]


def complete(app: FastAPI, models: Iterable[type[BaseModel]]) -> None:
    """Add to the document the schemas that routes refer to by name, and every refusal."""
    build = app.openapi
    named: list[type[BaseModel]] = [*models, problems.Problem]

    def openapi() -> dict[str, Any]:
        document = build()
        for model in named:
            _add_schema(document["components"]["schemas"], model)
        for path in document["paths"].values():
            for method, operation in path.items():
                _add_refusals(operation, method)
        for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of a 422
            document["components"]["schemas"].pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add_schema(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    schema = model.model_json_schema(ref_template=REF)
    for name, part in schema.pop("$defs", {}).items():
        schemas.setdefault(name, part)
    schemas[model.__name__] = schema


def _add_refusals(operation: Operation, method: str) -> None:
    """Every status that the operation may be refused with, each as problem details."""
    answers = operation["responses"]
    for status in _refusals(operation, method):
        if str(status) not in answers or status == UNPROCESSABLE:  # FastAPI's own says otherwise
            answers[str(status)] = {"description": REFUSALS[status]}
    reference = {"$ref": REF.format(model=problems.Problem.__name__)}
    for status, answer in answers.items():
        if int(status) >= min(REFUSALS):
            answer["content"] = {problems.MEDIA_TYPE: {"schema": reference}}
    operation["responses"] = dict(sorted(answers.items()))


def _refusals(operation: Operation, method: str) -> Iterator[int]:
    parameters = operation.get("parameters", [])
    if operation.get("security"):
        yield from (401, 403)
    if any(parameter["in"] == "path" for parameter in parameters):
        yield 404
    if method != "get":
        yield 409
    if "requestBody" in operation:
        yield from (400, 413, 415)
    if parameters or "requestBody" in operation:
        yield UNPROCESSABLE
    yield 503
