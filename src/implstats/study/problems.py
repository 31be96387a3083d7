"""Turn pydantic's errors into lines a person can act on: place, what is wrong, what was found.

pydantic's places hold names of its own (the branch of a union, ``[key]``); walking the data along a place
tells them apart from the file's own names, because those branches do not exist in the data.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from implstats.errors import did_you_mean
from implstats.study import models

_PATTERNS = {
    r"^[a-z][a-z0-9-]*$": "small letters, digits and hyphens, starting with a letter, such as 'job-stress'",
    r"^[A-Za-z_][A-Za-z0-9_.]*$": "letters a to z, digits, '_' and '.', not starting with a digit",
    r"^-?\d*\.?\d+$": 'a number as printed, in quotes, such as "0.43"',
}
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "fields with names",
    "model_type": "fields with names",
    "model_attributes_type": "fields with names",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
}


def problems_of(error: ValidationError, data: Any) -> list[str]:
    """Return one line a problem of a failed validation, in the order of the data.

    Parameters
    ----------
    error : ValidationError
        Of a model in :mod:`implstats.study.models`.
    data : object
        What was validated, as read from the file.

    Examples
    --------
    >>> try:
    ...     models.StudyInfo.model_validate({"name": "a", "titel": "A"})
    ... except ValidationError as error:
    ...     problems_of(error, {"name": "a", "titel": "A"})
    ['title: field required', "titel: not a known field; did you mean 'title'?"]
    """
    model = getattr(models, error.title, None)
    found: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        place = _place(detail["loc"], data, kind=detail["type"])
        wording = _wording(detail, data=data, model=model)
        if wording.startswith("."):
            name, wording = wording[1:].split(": ", 1)
            place = f"{place}.{name}" if place else name
        said = found.setdefault(place, [])
        if wording not in said:
            said.append(wording)
    return [_line(place, said) for place, said in found.items()]


def _line(place: str, wordings: Sequence[str]) -> str:
    """Join what the branches of a union say about one place: 'should be a whole number or text (got 1.5)'."""
    parts = [wording.partition(" (got ") for wording in wordings]
    alike = len({got for _, _, got in parts}) == 1 and all(w.startswith("should be ") for w in wordings)
    if len(wordings) > 1 and alike:
        wants = " or ".join(head.removeprefix("should be ") for head, _, _ in parts)
        text = f"should be {wants}" + "".join(parts[0][1:])
    else:
        text = "; ".join(wordings)
    return f"{place}: {text}" if place else text


def _own_pieces(loc: Sequence[int | str], data: Any, *, kind: str) -> list[int | str]:
    """Return the pieces of a place that stand in the file, without pydantic's names for union branches."""
    pieces: list[int | str] = []
    here = data
    for position, piece in enumerate(loc):
        last = position == len(loc) - 1
        if _holds(here, piece):
            here = here[piece]
        elif not (last and kind == "missing"):
            continue
        pieces.append(piece)
    return pieces


def _holds(value: Any, piece: int | str) -> bool:
    if isinstance(value, Mapping):
        return piece in value
    return isinstance(value, list) and isinstance(piece, int) and 0 <= piece < len(value)


def _place(loc: Sequence[int | str], data: Any, *, kind: str) -> str:
    text = ""
    for piece in _own_pieces(loc, data, kind=kind):
        text += f"[{piece}]" if isinstance(piece, int) else f".{piece}" if text else str(piece)
    return text


def _wording(detail: Mapping[str, Any], *, data: Any, model: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    got = _got(detail.get("input"))
    if kind == "missing":
        return "field required"
    if kind == "extra_forbidden":
        return (
            f"not a known field{did_you_mean(str(detail['loc'][-1]), fields_at(model, detail['loc'][:-1]))}"
        )
    if kind == "union_tag_invalid":
        known = context["expected_tags"].replace("'", "").split(", ")
        hint = did_you_mean(context["tag"], known) or f"; known are {', '.join(known)}"
        return f".type: '{context['tag']}' is not a known type{hint}"
    if kind == "union_tag_not_found":
        return f".type: field required, one of {', '.join(_tags_at(model, detail['loc']))}"
    if kind == "string_pattern_mismatch":
        return f"should be {_PATTERNS.get(context['pattern'], 'of the form ' + context['pattern'])}{got}"
    if kind == "literal_error":
        options = [word.strip("' ") for part in context["expected"].split(" or ") for word in part.split(",")]
        hint = did_you_mean(str(detail.get("input")), options)
        return f"should be {context['expected']}{got}{hint}"
    return _plain_wording(kind, context, detail["msg"], got)


def _plain_wording(kind: str, context: Mapping[str, Any], message: str, got: str) -> str:
    if kind in _TYPES:
        return f"should be {_TYPES[kind]}{got}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"should be {words} {context[key]:g}{got}"
    if kind == "too_short":
        return f"needs at least {context['min_length']} entry"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"should have at most {context['max_length']} character(s){got}"
    if kind == "value_error":
        return str(context.get("error", message.removeprefix("Value error, ")))
    return f"{message[0].lower()}{message[1:]}{got}"


def _got(value: Any) -> str:
    if isinstance(value, Mapping):
        return " (got fields with names)"
    if isinstance(value, list):
        return " (got a list)"
    if value is None:
        return " (got nothing)"
    if isinstance(value, bool):
        return f" (got {str(value).lower()})"
    if isinstance(value, str):
        return f" (got '{value if len(value) <= 60 else value[:57] + '...'}')"
    return f" (got {value})"


def fields_at(model: Any, loc: Sequence[int | str]) -> list[str]:
    """Return the field names that are allowed at a place of a model; empty where there is no model.

    >>> "tables" in fields_at(models.Study, ())
    True
    """
    kind: Any = model
    for piece in loc:
        kind = _step(kind, piece)
    kind = _one_model(kind)
    return list(kind.model_fields) if kind is not None else []


def _tags_at(model: Any, loc: Sequence[int | str]) -> list[str]:
    kind: Any = model
    for piece in loc:
        kind = _step(kind, piece)
    return [tag for branch in _branches(kind) for tag in _tags(branch)]


def _branches(kind: Any) -> list[Any]:
    """Return the types a value may have: annotations opened, unions taken apart."""
    if typing.get_origin(kind) is typing.Annotated:
        return _branches(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, UnionType):
        return [branch for part in typing.get_args(kind) for branch in _branches(part)]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _one_model(kind: Any) -> Any:
    found = [branch for branch in _branches(kind) if _is_model(branch)]
    return found[0] if len(found) == 1 else None


def _tags(branch: Any) -> tuple[str, ...]:
    """Return the values of a model's ``type`` field, by which a union tells its branches apart."""
    if not _is_model(branch) or "type" not in branch.model_fields:
        return ()
    annotation = branch.model_fields["type"].annotation
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def _step(kind: Any, piece: int | str) -> Any:
    """Return the type found one piece further along a place, or ``None``."""
    for branch in _branches(kind):
        if piece in _tags(branch):
            return branch
        if _is_model(branch) and piece in branch.model_fields:
            return branch.model_fields[piece].annotation
        if typing.get_origin(branch) is dict:
            return typing.get_args(branch)[1]
        if typing.get_origin(branch) is list and isinstance(piece, int):
            return typing.get_args(branch)[0]
    return None
