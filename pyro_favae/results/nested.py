"""Nested dictionaries and lists of tensors, numbers, strings and None, as tensors and JSON."""

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def to_json(state: Any) -> tuple[str, dict[str, Tensor]]:
    """The state as JSON, in which a tensor is its name among those returned; tuples become lists."""
    tensors: dict[str, Tensor] = {}

    def encoded(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value.detach().cpu().clone().contiguous()
            return {"tensor": path}
        if isinstance(value, Mapping):  # as pairs, because JSON has no keys that are numbers
            return {"pairs": [[key, encoded(item, f"{path}.{key}")] for key, item in value.items()]}
        if isinstance(value, list | tuple):
            return [encoded(item, f"{path}.{i}") for i, item in enumerate(value)]
        return value

    return json.dumps(encoded(state, "state")), tensors


def from_json(text: str, tensors: Mapping[str, Tensor]) -> Any:
    """What :func:`to_json` was given; raises KeyError, TypeError or ValueError for anything else."""

    def decoded(value: Any) -> Any:
        if isinstance(value, list):
            return [decoded(item) for item in value]
        if isinstance(value, dict):
            return tensors[value["tensor"]] if "tensor" in value else dict(map(pair, value["pairs"]))
        return value

    def pair(item: Any) -> tuple[Any, Any]:
        key, value = item
        return key, decoded(value)

    return decoded(json.loads(text))
