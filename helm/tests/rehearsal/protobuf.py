"""Reads a Secret from Kubernetes' protobuf: Helm keeps its releases in Secrets, and sends those in this form only.

Field numbers are those of k8s.io/api/core/v1/generated.proto and k8s.io/apimachinery.
"""

import base64

MAGIC = b"k8s\0"
VARINT, BYTES = 0, 2


def fields(data):
    """(number, value) of a message; only varints and what has a length occur."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == VARINT:
            yield key >> 3, varint()
        elif key & 7 == BYTES:
            size = varint()
            yield key >> 3, data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {key & 7}")


def entries(pairs, number):
    """A map field, its values as bytes."""
    found = (dict(fields(value)) for at, value in pairs if at == number)
    return {entry.get(1, b"").decode(): entry.get(2, b"") for entry in found}


def secret(text):
    unknown = dict(fields(text.removeprefix(MAGIC)))
    kind = dict(fields(unknown[1]))
    if kind.get(2) != b"Secret":
        raise ValueError(f"protobuf of a {kind.get(2)}")
    parts = list(fields(unknown[2]))
    meta = list(fields(dict(parts).get(1, b"")))
    strings = lambda number: {key: value.decode() for key, value in entries(meta, number).items()}
    return {
        "apiVersion": "v1", "kind": "Secret", "type": dict(parts).get(3, b"Opaque").decode(),
        "metadata": {"name": dict(meta)[1].decode(), "labels": strings(11), "annotations": strings(12)},
        "data": {key: base64.b64encode(value).decode() for key, value in entries(parts, 2).items()},
    }
