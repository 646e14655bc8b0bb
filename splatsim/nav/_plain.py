"""Dataclasses of plain values to JSON and back, so that a wrong file is named by the field that is wrong."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from splatsim.errors import EpisodeError, FormatError

T = TypeVar("T")
KINDS: dict[type, tuple[type, ...]] = {float: (int, float), int: (int,), str: (str,), bool: (bool,)}
NAMES = {float: "a finite number", int: "a whole number", str: "a text", bool: "true or false"}


def to_plain(value: Any) -> Any:
    """Dataclasses as dictionaries, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    return [to_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def from_plain(cls: type[T], content: object, where: str) -> T:
    """A dataclass from its dictionary; fields that are missing keep their defaults.

    Args:
        where: The file and the field, for messages.

    Raises:
        FormatError: a field is missing, unknown or of another type, or the values do not make sense together.
    """
    if not isinstance(content, dict):
        raise FormatError(f"{where} is {shown(content)}; expected an object.")
    kinds = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(content) - set(fields))
    if unknown:
        raise FormatError(f'{where} has "{unknown[0]}"; expected only {", ".join(fields)}.')
    values = {name: _value(kinds[name], entry, f"{where}.{name}") for name, entry in content.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise FormatError(f'{where} has no "{name}", only {", ".join(sorted(content)) or "nothing"}.')
    try:
        return cls(**values)
    except (EpisodeError, ValueError, TypeError) as error:
        raise FormatError(f"{where}: {error}") from error


def _value(kind: Any, value: object, where: str) -> Any:
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise FormatError(f"{where} is {shown(value)}; expected one of {', '.join(map(repr, choices))}.")
        return value
    if origin is types.UnionType:
        if value is None:
            return None
        return _value(next(part for part in typing.get_args(kind) if part is not types.NoneType), value, where)
    if origin is tuple:
        parts = [part for part in typing.get_args(kind) if part is not Ellipsis]
        if not isinstance(value, list) or (Ellipsis not in typing.get_args(kind) and len(value) != len(parts)):
            raise FormatError(f"{where} is {shown(value)}; expected a list of {len(parts)}.")
        return tuple(_value(parts[min(i, len(parts) - 1)], entry, f"{where}[{i}]") for i, entry in enumerate(value))
    if dataclasses.is_dataclass(kind):
        return from_plain(typing.cast(type[Any], kind), value, where)
    return plain(kind, value, where)


def plain(kind: type[T], value: object, where: str) -> T:
    """A number, text or truth value of just this type.

    Raises:
        FormatError: it is something else, or not finite.
    """
    fits = isinstance(value, KINDS[kind]) and isinstance(value, bool) == (kind is bool)
    try:
        if not fits or (kind is float and not math.isfinite(value)):  # type: ignore[arg-type]
            raise FormatError(f"{where} is {shown(value)}; expected {NAMES[kind]}.")
        return kind(value)  # type: ignore[call-arg]
    except OverflowError as error:
        raise FormatError(f"{where} is {shown(value)}; expected {NAMES[kind]}.") from error


def shown(value: object) -> str:
    """A value as in a message, no longer than a line."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
