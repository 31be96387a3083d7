"""Read YAML as people mean it: safely, without duplicate keys, without YAML 1.1's surprises.

YAML 1.1 turns ``no`` into false (Norway's country code), ``2024-01-15`` into a date, ``010`` into eight and
``12:30`` into seven hundred and fifty. Here only ``true`` and ``false`` are truth values, dates and times
stay text, and a number with a leading zero stays text, because in survey files it is a code.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from implstats.errors import StudyFileError

_INTEGER = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
_BOOLEAN = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_RETAINED = {"tag:yaml.org,2002:float", "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.inf|\.nan)$")


class StudyLoader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys and reads numbers and truth values as YAML 1.2 does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"'{key}' stands here a second time (first on line {seen[key]})",
                    key_node.start_mark,
                )
            if isinstance(key, Hashable):
                seen[key] = line
        return super().construct_mapping(node, deep=deep)


def _keep_resolvers() -> None:
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        kept = [
            (tag, pattern) for tag, pattern in resolvers if tag in _RETAINED and not tag.endswith("float")
        ]
        if kept:
            StudyLoader.yaml_implicit_resolvers[first] = kept
    StudyLoader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))
    StudyLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    StudyLoader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOLEAN, list("tTfF"))


_keep_resolvers()
StudyLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises
    ------
    StudyFileError
        The file is missing, not UTF-8, or not YAML; syntax errors name the line.
    """
    return parse_yaml(read_text(path), where=str(path))


def read_text(path: Path) -> str:
    """Return a UTF-8 file's text, or raise :class:`StudyFileError` naming what is wrong with the file."""
    from implstats.study.paths import near_names

    if not path.exists():
        raise StudyFileError(str(path), [f"there is no such file{near_names(path)}"])
    if path.is_dir():
        raise StudyFileError(str(path), ["this is a folder; name the study file in it"])
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text (byte {error.start + 1}); save the file as UTF-8"
        raise StudyFileError(str(path), [problem]) from error
    except OSError as error:
        raise StudyFileError(str(path), [f"cannot be read: {error.strerror}"]) from error


def parse_yaml(text: str, *, where: str) -> Any:
    """Return the content of YAML text; ``where`` names it in messages.

    >>> parse_yaml("country: no\\ncode: 010\\nn: 3", where="x.yaml")
    {'country': 'no', 'code': '010', 'n': 3}
    """
    try:
        return yaml.load(text, Loader=StudyLoader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise StudyFileError(where, [_syntax_problem(error)]) from error
    except yaml.YAMLError as error:
        raise StudyFileError(where, [f"not YAML: {error}"]) from error
    except RecursionError as error:
        raise StudyFileError(where, ["not a study file: nested too deeply"]) from error


def _syntax_problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    hint = ""
    if error.problem and "found character '\\t'" in error.problem:
        hint = "; indent with spaces, not tabs"
    elif error.problem and "mapping values are not allowed" in error.problem:
        hint = "; a text with a colon in it needs quotes"
    return f"{place}{error.problem or error.context}{hint}"
