"""Examples for every shape of the OpenAPI description: made from what the shape says, so that none is ever missing.

A member's own `examples` go first, then what its name usually holds, then what its type allows. A test checks every
example against its shape.
"""

from typing import Any

from fastapi import FastAPI

from stream_server.messages.wire import Problem

_OF_NAME: dict[str, Any] = {
    "address": "https://school.example/hooks/…",
    "camera": "room-12",
    "code": "person_not_found",
    "codec": "H.264",
    "detail": "there is no person 0f8fad5b-d9cb-469f-a165-70867728950e",
    "event_id": 4711,
    "event_type": "attendance.marked",
    "external_id": "s-1815",
    "height": 480,
    "hint": "check the id",
    "message_id": "msg_2b0f6c0f3c5c5c0b9d2f7e3a1c4d5e6f",
    "name": "Ada Lovelace",
    "next_cursor": None,
    "consent_text": None,
    "note": "came by bus",
    "reason": "",
    "response": "ok",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "site": "Rollcall",
    "source": "photograph",
    "time_zone": "Europe/Berlin",
    "title": "Check-in 2026-03-02",
    "type": "about:blank",
    "url": "https://school.example/hooks/rollcall",
    "version": "0.1.0",
    "width": 640,
}
_OF_FORMAT: dict[str, str] = {
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "date-time": "2026-03-02T08:05:00Z",
    "date": "2026-03-02",
}
_DEPTH_MAX = 6


def install_examples(app: FastAPI) -> None:
    """Make the app describe itself with examples."""
    describe = app.openapi

    def with_examples() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = describe()
            # Routes name it, and no route returns it.
            shapes = description["components"]["schemas"]
            shapes["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            description["components"]["schemas"] = dict(sorted(shapes.items()))
            add_examples(description)
        return describe()

    app.openapi = with_examples  # type: ignore[method-assign]


def add_examples(description: dict[str, Any]) -> None:
    """Give every object among the shapes an example, unless it has one."""
    shapes: dict[str, Any] = description["components"]["schemas"]
    for shape in shapes.values():
        if shape.get("type") == "object" and "examples" not in shape:
            shape["examples"] = [_object(shape, shapes, 0)]


def _object(shape: dict[str, Any], shapes: dict[str, Any], depth: int) -> dict[str, Any]:
    members: dict[str, Any] = shape.get("properties", {})
    return {name: _value(name, member, shapes, depth + 1) for name, member in members.items()}


def _value(name: str, member: dict[str, Any], shapes: dict[str, Any], depth: int) -> Any:
    if member.get("examples"):
        return member["examples"][0]
    if "const" in member:
        return member["const"]
    if "enum" in member:
        return member["enum"][0]
    if "$ref" in member:
        target = shapes[member["$ref"].rsplit("/", 1)[-1]]
        if "properties" not in target or depth > _DEPTH_MAX:
            return _value(name, target, shapes, depth + 1) if depth <= _DEPTH_MAX else {}
        return _object(target, shapes, depth)
    options = [option for option in member.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        known = _of_name(name, options[0])
        return _value(name, options[0], shapes, depth) if known is None and name not in _OF_NAME else known
    if member.get("type") == "array":
        if "prefixItems" in member:
            return [_value("", item, shapes, depth) for item in member["prefixItems"]]
        return [_value(name, member.get("items", {}), shapes, depth)] if member.get("items") else []
    if member.get("type") == "object":
        return {}
    known = _of_name(name, member)
    return _plain(member) if known is None else known


def _of_name(name: str, member: dict[str, Any]) -> Any:
    value = _OF_NAME.get(name)
    kind = {str: "string", int: "integer"}.get(type(value))
    return value if kind == member.get("type") and "format" not in member and "pattern" not in member else None


def _plain(member: dict[str, Any]) -> Any:
    if "default" in member and member["default"] is not None:
        return member["default"]
    match member.get("type"):
        case "string":
            return _OF_FORMAT.get(member.get("format", ""), "room-12" if "pattern" in member else "text")
        case "integer":
            return max(1, int(member.get("minimum", 1)))
        case "number":
            return max(0.5, float(member.get("minimum", 0.5)))
        case "boolean":
            return True
    return None
