"""What the documents of the interface say of each path: bodies, answers, and examples that run."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from faceinpaint_fast.service.archive import MEDIA
from faceinpaint_fast.service.asked import Options
from faceinpaint_fast.service.batch import BatchOptions
from faceinpaint_fast.service.iopaint import Body

ABOUT = "Restores missing parts of face photographs. White = fill; known pixels come back bit for bit."
REFUSALS = {
    400: "The body is broken.",
    401: "The token is missing or wrong.",
    408: "The body did not come in whole in time.",
    413: "The body is too large, or a picture has too many pixels.",
    415: "The body, or a picture, is of a format that is not read.",
    422: "A field does not fit; it is named.",
    429: "There is no room; Retry-After says when to come again.",
    503: "The service ends, or has too many connections.",
    504: "The work could not begin in time.",
}
FILE = {"type": "string", "format": "binary"}
BASE64 = {"type": "string", "contentEncoding": "base64"}
ERROR = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "field"],
            "properties": {"message": {"type": "string"}, "field": {"type": ["string", "null"]}},
        },
        "request_id": {"type": "string"},
    },
}
FACE = {
    "type": "object",
    "required": ["points", "frame", "score"],
    "properties": {
        "points": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "frame": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "score": {"type": ["number", "null"]},
    },
}
RESTORED = {
    "type": "object",
    "required": ["picture", "media_type", "faces", "losses", "remarks", "seconds", "request_id"],
    "properties": {
        "picture": BASE64,
        "media_type": {"type": "string"},
        "faces": {"type": "array", "items": FACE},
        "losses": {"type": "object", "additionalProperties": {"type": "number"}},
        "remarks": {"type": "array", "items": {"type": "string"}},
        "seconds": {"type": "object", "additionalProperties": {"type": "number"}},
        "request_id": {"type": "string"},
    },
}
FOUND = {
    "type": "object",
    "required": ["width", "height", "faces"],
    "properties": {
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "faces": {"type": "array", "items": FACE},
    },
}


def inpaint(example: str) -> dict[str, Any]:
    """Returns the documents of `POST /v1/inpaint`."""
    own = _schema(Options)
    form = _with(own, {"image": FILE, "hole": FILE}, ["image", "hole"])
    told = _with(own, {"image": BASE64, "hole": {"type": "string"}}, ["image", "hole"])
    lists = {name: {"contentType": "application/json"} for name in ("boxes", "eyes", "landmarks")}
    content = {
        "application/json": {"schema": told, "example": {"image": example, "hole": "centre", "seed": 1}},
        "multipart/form-data": {"schema": form, "encoding": lists},
    }
    done = {
        "image/png": {"schema": FILE},
        "application/json": {"schema": RESTORED},
        "text/event-stream": {"schema": {"type": "string"}},
    }
    return _route(content, done, "The restored picture, all of it as JSON, or events, as Accept says.")


def faces(example: str) -> dict[str, Any]:
    """Returns the documents of `POST /v1/faces`."""
    content = {
        "application/json": {"schema": _object({"image": BASE64}, ["image"]), "example": {"image": example}},
        "multipart/form-data": {"schema": _object({"image": FILE}, ["image"])},
    }
    return _route(content, {"application/json": {"schema": FOUND}}, "Its faces, in pixels of the upright picture.")


def batch() -> dict[str, Any]:
    """Returns the documents of `POST /v1/inpaint/batch`."""
    content = {media: {"schema": FILE} for media in MEDIA.values()}
    route = _route(content, content, "The restored pictures, and manifest.jsonl with a line on each.")
    own = _schema(BatchOptions)["properties"]
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in own.items()
        if name not in ("boxes", "eyes", "landmarks")
    ]
    return {**route, "openapi_extra": {**route["openapi_extra"], "parameters": parameters}}


def iopaint(example: str) -> dict[str, Any]:
    """Returns the documents of `POST /api/v1/inpaint`."""
    content = {"application/json": {"schema": _schema(Body), "example": {"image": example, "mask": example}}}
    done = {"image/png": {"schema": FILE}}
    error = {"type": "object", "required": ["error", "detail", "errors", "request_id"]}
    return _route(content, done, "The restored picture.", error)


def state(done: str, *others: int) -> dict[str, Any]:
    """Returns the documents of a path that says how the service is."""
    answer = {"application/json": {"schema": {"type": "object"}}}
    return {"responses": {status: {"description": done, "content": answer} for status in (200, *others)}}


def metrics() -> dict[str, Any]:
    """Returns the documents of `GET /metrics`."""
    done = {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"responses": {200: done, 401: _refusal(401, ERROR)}}


def _route(content: dict[str, Any], done: dict[str, Any], about: str, error: dict[str, Any] = ERROR) -> dict[str, Any]:
    answers: dict[int, Any] = {status: _refusal(status, error) for status in REFUSALS}
    return {
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
        "responses": {200: {"description": about, "content": done}, **answers},
    }


def _refusal(status: int, error: dict[str, Any]) -> dict[str, Any]:
    return {"description": REFUSALS[status], "content": {"application/json": {"schema": error}}}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _with(schema: dict[str, Any], properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {**schema, "properties": {**properties, **schema["properties"]}, "required": required}
