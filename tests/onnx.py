"""Small ONNX models, byte by byte: enough of its format (a protobuf) to write a graph without a library."""

from collections.abc import Sequence

FLOAT, INT64 = 1, 7


def detector(*nodes: bytes, constants: Sequence[bytes] = ()) -> bytes:
    """A model from `image` float32 (1, 1, height, width) to `segments` float32."""
    ends = _field(11, _typed("image", [1, 1, "height", "width"])), _field(12, _typed("segments", ["n", 4]))
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, "g") + b"".join(_field(5, one) for one in constants)
    return _field(1, 8) + _field(7, graph + ends[0] + ends[1]) + _field(8, _field(1, "") + _field(2, 13))


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | Sequence[int]) -> bytes:
    """A step of a graph."""
    named = [(1, name) for name in inputs] + [(2, name) for name in outputs]
    ends = b"".join(_field(number, name) for number, name in named)
    return ends + _field(4, operator) + b"".join(_field(5, _attribute(*each)) for each in attributes.items())


def constant(name: str, kind: int, shape: Sequence[int], content: bytes) -> bytes:
    """Numbers of a kind, FLOAT or INT64, as numpy's `tobytes` gives them."""
    return b"".join(_field(1, side) for side in shape) + _field(2, kind) + _field(8, name) + _field(9, content)


def elsewhere(name: str, shape: Sequence[int], path: str) -> bytes:
    """Float numbers that lie in another file."""
    place = _field(1, "location") + _field(2, path)
    sides = b"".join(_field(1, side) for side in shape)
    return sides + _field(2, FLOAT) + _field(8, name) + _field(13, place) + _field(14, 1)


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, 2)
    return _field(1, name) + b"".join(_field(8, one) for one in value) + _field(20, 7)


def _typed(name: str, shape: Sequence[int | str]) -> bytes:
    sides = b"".join(_field(1, _field(1 if isinstance(side, int) else 2, side)) for side in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, FLOAT) + _field(2, sides)))


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
