"""On which line of a study file does a place such as ``questions[2].outcome`` stand?"""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from implstats.study.yaml_file import StudyLoader

_PIECE = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_PLACE = re.compile(r"^([^\s:]+(?: [^\s:]+)*?): ")


def with_lines(problems: Sequence[str], text: str) -> list[str]:
    """Return problems with the line of their place added, where the place can be found in the file's text.

    >>> with_lines(["study.titel: not a known field"], "study:\\n  titel: A\\n")
    ['study.titel: not a known field (line 2)']
    """
    root = yaml.compose(text, Loader=StudyLoader)
    return [_with_line(problem, root) for problem in problems]


def _with_line(problem: str, root: yaml.Node | None) -> str:
    place = _PLACE.match(problem)
    line = line_of(place.group(1), root) if place else None
    return problem if line is None else f"{problem} (line {line})"


def line_of(place: str, root: yaml.Node | None) -> int | None:
    """Return the line, from 1, of the deepest part of a place that stands in the file."""
    node, line = root, None
    for number, name in _PIECE.findall(place):
        found = _child(node, name, number)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node | None, name: str, number: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and number and int(number) < len(node.value):
        child = node.value[int(number)]
        return child.start_mark.line + 1, child
    if isinstance(node, yaml.MappingNode) and name:
        for key, value in node.value:
            if key.value == name:
                return key.start_mark.line + 1, value
    return None
