"""TOML out; the standard library reads it already."""

import json
from collections.abc import Mapping
from typing import Any


def write_toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """TOML text of nested tables of strings, numbers, booleans and lists of those.

    Raises:
        TypeError: a value has no form in TOML.
    """
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"{_toml_key(key)} = {_toml_value(key, value)}" for key, value in plain.items()]
    text = "".join(line + "\n" for line in lines)
    for key, value in values.items():
        if isinstance(value, Mapping):
            path = f"{prefix}{_toml_key(key)}"
            text += f"\n[{path}]\n{write_toml(value, path + '.')}"
    return text


def _toml_key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "")
    return key if bare.isascii() and bare.isalnum() else json.dumps(key)


def _toml_value(key: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(key, item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"{key} is a {type(value).__name__}; expected a string, number, boolean or a list of those.")
