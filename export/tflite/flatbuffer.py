"""Reading a .tflite file: its operators, their versions, and what each tensor looks like."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...bundle.extras import load
from ...errors import InputError


@dataclass(frozen=True)
class Tensor:
    """A tensor: `dtype` in TFLite's words (INT8 …), scales (1, or one a channel), constant bytes."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    constant_bytes: int
    """Bytes stored in the file; 0 for what is computed."""
    dynamic: bool


@dataclass(frozen=True)
class Operator:
    """A layer: its operator in TFLite's words, that operator's version, tensors, and options by name."""

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    options: dict[str, Any]
    custom: str


@dataclass(frozen=True)
class Flat:
    """A .tflite file with one subgraph; more are counted, not read."""

    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    tensors: tuple[Tensor, ...]
    subgraphs: int


def read_tflite(path: Path) -> Flat:
    """Read a .tflite file.

    Raises InputError: it is none, or cut short; MissingExtra: ai-edge-litert, which knows the format, is absent.
    """
    schema = load("ai_edge_litert.schema_py_generated", "edgetpu")
    data = path.read_bytes()
    try:
        if data[4:8] != b"TFL3":
            raise ValueError("it does not begin like one")
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        return _read(schema, model)
    except (ValueError, IndexError, TypeError, AttributeError, UnicodeDecodeError, struct.error) as error:
        raise InputError(
            f"{path} is not a whole .tflite file ({str(error).splitlines()[0]})",
            cause="it was cut short, or is of another kind",
            hint="make or copy it again",
        ) from error


def _read(schema: Any, model: Any) -> Flat:
    types = {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    graph = model.subgraphs[0]
    tensors = tuple(_tensor(t, types[t.type], model.buffers[t.buffer]) for t in graph.tensors)
    operators = []
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        operators.append(
            Operator(
                names[max(code.builtinCode, code.deprecatedBuiltinCode)],  # older files have only the second
                code.version,
                tuple(tensors[i] for i in op.inputs if i >= 0),
                tuple(tensors[i] for i in op.outputs),
                dict(vars(op.builtinOptions)) if op.builtinOptions is not None else {},
                (code.customCode or b"").decode(),
            )
        )
    inputs, outputs = (tuple(tensors[i] for i in side) for side in (graph.inputs, graph.outputs))
    return Flat(tuple(operators), inputs, outputs, tensors, len(model.subgraphs))


def _tensor(t: Any, dtype: str, buffer: Any) -> Tensor:
    q, stored = t.quantization, buffer.data
    return Tensor(
        name=(t.name or b"").decode(),
        shape=tuple(int(n) for n in t.shape) if t.shape is not None else (),
        dtype=dtype,
        scales=tuple(float(s) for s in q.scale) if q is not None and q.scale is not None else (),
        zero_points=tuple(int(z) for z in q.zeroPoint) if q is not None and q.zeroPoint is not None else (),
        constant_bytes=len(stored) if stored is not None else 0,
        dynamic=t.shapeSignature is not None and any(n < 0 for n in t.shapeSignature),
    )
