"""Which bytes make a Sparkplug B payload? The message classes, built from a table of field numbers. Pure.

Source: Eclipse Sparkplug 3.0, chapter 6 (payload definition; protocol buffers, proto2). Only what a host reads is declared.
Data sets, templates, extensions and nested property sets stand as plain bytes: they are refused by name, and because they
are never parsed, none can nest without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Mapping

_Field = descriptor_pb2.FieldDescriptorProto
_FILE = "mfl_sparkplug_b.proto"
_PACKAGE = "mfl.sparkplug"
_BYTES, _BOOL = _Field.TYPE_BYTES, _Field.TYPE_BOOL
_TEXT = _Field.TYPE_BYTES
"""Text is declared as bytes, the same on the wire: proto2 lets anything pass as a string, and we decode it strictly."""
_U32, _U64 = _Field.TYPE_UINT32, _Field.TYPE_UINT64
_FLOAT, _DOUBLE = _Field.TYPE_FLOAT, _Field.TYPE_DOUBLE

VALUE_FIELDS = (
    ("int_value", _U32),
    ("long_value", _U64),
    ("float_value", _FLOAT),
    ("double_value", _DOUBLE),
    ("boolean_value", _BOOL),
    ("string_value", _TEXT),
)
"""The scalar arms of a value, in the order of their numbers: from 10 in a metric, from 3 in a property."""
REFUSED_FIELDS = ("bytes_value", "dataset_value", "template_value", "extension_value")
"""The arms of a metric's value that are no scalar, numbers 16 to 19."""


def _add(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: Any, **more: Any) -> None:
    message.field.add(
        name=name, number=number, type=kind, label=more.pop("label", _Field.LABEL_OPTIONAL), **more
    )


def _add_many(message: descriptor_pb2.DescriptorProto, name: str, number: int, of: str) -> None:
    label, kind = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE
    _add(message, name, number, kind, label=label, type_name=f".{_PACKAGE}.{of}")


def _add_values(message: descriptor_pb2.DescriptorProto, first: int) -> None:
    message.oneof_decl.add(name="value")
    for number, (name, kind) in enumerate(VALUE_FIELDS, start=first):
        _add(message, name, number, kind, oneof_index=0)


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto2")
    value = file.message_type.add(name="PropertyValue")
    _add(value, "type", 1, _U32)
    _add(value, "is_null", 2, _BOOL)
    _add_values(value, 3)
    properties = file.message_type.add(name="PropertySet")
    _add(properties, "keys", 1, _TEXT, label=_Field.LABEL_REPEATED)
    _add_many(properties, "values", 2, "PropertyValue")
    metric = file.message_type.add(name="Metric")
    for number, (name, kind) in enumerate(
        (
            ("name", _TEXT),
            ("alias", _U64),
            ("timestamp", _U64),
            ("datatype", _U32),
            ("is_historical", _BOOL),
            ("is_transient", _BOOL),
            ("is_null", _BOOL),
            ("metadata", _BYTES),
        ),
        start=1,
    ):
        _add(metric, name, number, kind)
    _add(metric, "properties", 9, _Field.TYPE_MESSAGE, type_name=f".{_PACKAGE}.PropertySet")
    _add_values(metric, 10)
    for number, name in enumerate(REFUSED_FIELDS, start=16):
        _add(metric, name, number, _BYTES, oneof_index=0)
    payload = file.message_type.add(name="Payload")
    _add(payload, "timestamp", 1, _U64)
    _add_many(payload, "metrics", 2, "Metric")
    _add(payload, "seq", 3, _U64)
    _add(payload, "uuid", 4, _TEXT)
    _add(payload, "body", 5, _BYTES)
    return file


def _classes() -> Mapping[str, Any]:
    pool = descriptor_pool.DescriptorPool()  # our own: the names clash with nobody's
    pool.Add(_file())
    names = ("Payload", "Metric")
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in names
    }


_CLASSES = _classes()
PayloadMessage: Any = _CLASSES["Payload"]
"""The whole payload of every message but STATE."""
MetricMessage: Any = _CLASSES["Metric"]
