"""A graph of any opset in the one that every consumer of ours reads, where that can be."""

from __future__ import annotations

from typing import Any

from ..onnx import OPSET, import_onnx


def to_opset(model: Any) -> tuple[Any, str]:
    """The model in opset 13, and an empty string; or the model as it is, and why it stays so.

    Up goes onnx's version converter. Down it knows hardly any way (it stops at Relu), so that is done here: a layer
    is the same in both where the older schema has its inputs and attributes, but for those that say what was always so.
    """
    onnx = import_onnx()
    opset = max((i.version for i in model.opset_import if i.domain in ("", "ai.onnx")), default=1)
    foreign = [i.domain for i in model.opset_import if i.domain not in ("", "ai.onnx")]
    if foreign:
        return model, f"it uses {foreign[0]}, whose operators other devices do not know"
    if opset == OPSET:
        return model, ""
    try:
        changed = onnx.version_converter.convert_version(model, OPSET) if opset < OPSET else _lowered(model, opset)
        onnx.checker.check_model(changed, full_check=True)
    except Exception as error:  # the converter and the checker raise kinds of their own
        return model, f"it stays in opset {opset}: {str(error).splitlines()[0]}"
    return changed, ""


def _lowered(model: Any, opset: int) -> Any:
    """A copy that says OPSET; raises ValueError, naming the layer that the older opset cannot say."""
    onnx = import_onnx()
    result = type(model).FromString(model.SerializeToString())
    tensors = {t.name: t for t in result.graph.initializer}
    for node in result.graph.node:
        try:
            older = onnx.defs.get_schema(node.op_type, OPSET, "")
        except onnx.defs.SchemaError:
            raise ValueError(f"opset {OPSET} has no {node.op_type}") from None
        newer = onnx.defs.get_schema(node.op_type, opset, "")
        if len(node.input) > len(older.inputs) and "axes" in older.attributes and node.input[1] in tensors:
            axes = onnx.numpy_helper.to_array(tensors[node.input[1]]).ravel().tolist()
            del node.input[1:]
            node.attribute.append(onnx.helper.make_attribute("axes", axes))
        for attribute in list(node.attribute):
            if attribute.name not in older.attributes:
                usual = newer.attributes[attribute.name].default_value
                if onnx.helper.get_attribute_value(attribute) != onnx.helper.get_attribute_value(usual):
                    raise ValueError(f"{node.op_type} has no {attribute.name} in opset {OPSET}")
                node.attribute.remove(attribute)
    del result.opset_import[:], result.graph.value_info[:]
    result.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    return result
