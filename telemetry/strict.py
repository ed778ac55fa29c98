"""How is a file read strictly? YAML 1.2 without its traps, into frozen pydantic models, all mistakes at once.

Refused: duplicate keys, keys that are not text, merge keys, anchors, aliases, tags, directives, more than one document,
nesting beyond reason, files over 1 MB. Every problem names file, line and column, shows the line, and suggests what was
probably meant. Pure: text in, value or ConfigError out.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, DocumentStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_BYTES_MAX = 1_000_000
"""A configuration larger than this is a mistake or an attack."""
DEPTH_MAX = 32
_PLAIN_INT = re.compile(r"0|-?[1-9][0-9]{0,18}")


class Model(BaseModel):
    """A frozen model that knows its keys and no others."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=False, allow_inf_nan=False
    )


ModelT = TypeVar("ModelT", bound=BaseModel)


def decode_yaml(model: type[ModelT], text: str, file: str) -> ModelT:
    """Read YAML text as a model. ConfigError carries every problem found."""
    root, value = parse_yaml(text, file)
    try:
        # JSON's own strictness: a list may be a tuple and a word an enum member, but no "1" is a 1.
        return model.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        raise ConfigError(_problems(error, model, root, text, file)) from None


class _Constructor(SafeConstructor):
    """Dates and `=` stay the text that was written: YAML 1.2's core schema knows neither."""


for _tag in ("timestamp", "value"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_tag}", SafeConstructor.construct_yaml_str)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml


def parse_yaml(text: str, file: str) -> tuple[Node, Any]:
    """Read YAML text as (its nodes with positions, plain lists, dicts and scalars)."""
    if len(text.encode(errors="replace")) > FILE_BYTES_MAX:
        raise ConfigError([Problem(file, 0, 0, "", f"is larger than {FILE_BYTES_MAX} bytes")])
    try:
        problems = _forbidden(text, file)
        node = _yaml().compose(text)
        if node is None:
            raise ConfigError([Problem(file, 0, 0, "", "is empty")])
        problems += _traps(node, text, file, "")
        if problems:
            raise ConfigError(problems)
        return node, _yaml().load(text)
    except MarkedYAMLError as error:
        raise ConfigError([_marked(error, text, file)]) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([_unreadable(error, text, file)]) from None


def _marked(error: MarkedYAMLError, text: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return Problem(file, line, column, "", f"is not YAML: {error.problem}", source=source_line(text, line))


def _unreadable(error: Exception, text: str, file: str) -> Problem:
    """Place a mistake that has no mark: a character YAML does not allow knows its position only."""
    at = getattr(error, "position", None)
    if not isinstance(at, int):
        return Problem(file, 0, 0, "", f"is not YAML: {error}")
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    message = f"is not YAML: the character U+{ord(text[at]):04X} is not allowed"
    return Problem(file, line, column, "", message)


def _forbidden(text: str, file: str) -> list[Problem]:
    """Find anchors, aliases, tags, directives and bottomless nesting in the events, before any tree is built.

    Where an alias or the nesting would make a walk of the tree explode, these problems are raised at once.
    """
    problems, depth, explosive = [], 0, False
    for event in _yaml().parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        message, hint = _event_trap(event, depth)
        if not message:
            continue
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        problems.append(Problem(file, line, column, "", message, hint, source_line(text, line)))
        explosive = explosive or isinstance(event, AliasEvent) or depth > DEPTH_MAX
        if depth > DEPTH_MAX:
            break
    if explosive:
        raise ConfigError(problems)
    return problems


def _event_trap(event: Any, depth: int) -> tuple[str, str]:
    if isinstance(event, DocumentStartEvent):
        return (
            ("directives are not allowed", "remove the % lines") if event.version or event.tags else ("", "")
        )
    if getattr(event, "anchor", None) or getattr(event, "tag", None):
        return "anchors, aliases and tags are not allowed", "write the value out"
    return (f"is nested deeper than {DEPTH_MAX}", "") if depth > DEPTH_MAX else ("", "")


def _traps(node: Node, text: str, file: str, path: str) -> Iterator[Problem]:
    """Find duplicate keys and keys that are not text."""
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield from _traps(item, text, file, f"{path}[{index}]")
    if not isinstance(node, MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line, column = position(key)
        name = key.value if isinstance(key, ScalarNode) else "?"
        inner = f"{path}.{name}" if path else name
        message, hint = _key_trap(key)
        if not message and name in seen:
            message, hint = f"is given twice (first on line {seen[name]})", "remove one"
        if message:
            yield Problem(file, line, column, inner, message, hint, source_line(text, line))
        seen.setdefault(name, line)
        yield from _traps(value, text, file, inner)


def _key_trap(key: Node) -> tuple[str, str]:
    """Say what is wrong with a key that YAML would not read as the text it is written as; a plain number may be one."""
    kind = str(key.tag).rpartition(":")[2]
    if kind == "merge":
        return "merge keys are not allowed", "write the values out"
    if not isinstance(key, ScalarNode):
        return "a key is text, not a list or a mapping", ""
    if kind in {"bool", "null", "float"} or (kind == "int" and not _PLAIN_INT.fullmatch(key.value)):
        return f"this key is read as {kind}, not as text", "put it in quotes"
    return "", ""


def position(node: Node) -> tuple[int, int]:
    """Give a node's line and column, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def source_line(text: str, line: int) -> str:
    """Give the text of a line, counted from 1; empty when there is none."""
    lines = text.splitlines()
    return lines[line - 1].strip()[:160] if 0 < line <= len(lines) else ""


def _problems(
    error: ValidationError, model: type[BaseModel], root: Node, text: str, file: str
) -> list[Problem]:
    problems = []
    items = error.errors(include_url=False)
    places = {item["loc"] for item in items}
    for item in items:
        if item["type"] == "too_short" and any(_is_inside(place, item["loc"]) for place in places):
            continue  # pydantic counts only the items that passed; their own problems are told
        location = _without_labels(root, item["loc"])
        about_key = item["type"] == "extra_forbidden" or item["loc"][-1:] == ("[key]",)
        node = locate(root, location, prefer_key=about_key)
        line, column = position(node)
        key = _spell(location)
        message, hint = _words(item, location, model)  # type: ignore[arg-type]
        problems.append(Problem(file, line, column, key, message, hint, source_line(text, line)))
    return problems


def _is_inside(place: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _without_labels(root: Node, parts: tuple[int | str, ...]) -> list[int | str]:
    """Leave out what pydantic put there itself (`[key]`, `function-after[...]`, a union's branch) and is not in the file."""
    location: list[int | str] = []
    for part in parts:
        label = isinstance(part, str) and ("[" in part or part in {"int", "str", "float", "bool"})
        if not label or locate(root, [*location, part]) is not locate(root, location):
            location.append(part)
    return location


def _spell(location: list[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def locate(root: Node, location: list[int | str], *, prefer_key: bool = False) -> Node:
    """Find the deepest node on a path; with `prefer_key` the key itself where the path ends at one."""
    node = root
    for depth, part in enumerate(location):
        if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                return node
            node = found[0] if prefer_key and depth == len(location) - 1 else found[1]
        else:
            return node
    return node


def _words(item: dict[str, Any], location: list[int | str], model: type[BaseModel]) -> tuple[str, str]:
    kind, name = item["type"], str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(name, sorted(_known_names(model, set())), n=1)
        return "is not a known key", f"did you mean {close[0]!r}?" if close else ""
    if kind == "missing":
        return "is missing", ""
    message = str(item["msg"]).removeprefix("Value error, ")
    if kind in {"enum", "literal_error"} and isinstance(item.get("input"), str):
        allowed = str(item.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(", ")
        close = difflib.get_close_matches(item["input"], [word.strip("'") for word in allowed], n=1)
        return message, f"did you mean {close[0]!r}?" if close else ""
    return f"{message}, not {item.get('input')!r}"[:300], ""


def _known_names(model: type[BaseModel], seen: set[type]) -> set[str]:
    """Collect the keys of a model and of the models inside it."""
    if model in seen:
        return set()
    seen.add(model)
    names = {info.alias or name for name, info in model.model_fields.items()}
    for info in model.model_fields.values():
        for inner in _inner_models(info.annotation):
            names |= _known_names(inner, seen)
    return names


def _inner_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _inner_models(argument)
