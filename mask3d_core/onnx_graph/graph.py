"""A thin builder of ONNX graphs: nodes are added one by one, values are their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
import onnx
from onnx import helper, numpy_helper

OPSET: Final = 17
"""The version of the standard operators: the first with LayerNormalization."""
IR_VERSION: Final = 8
"""Of the file format, as old as the opset allows, so that older runtimes read it."""


class Graph:
    """
    An ONNX graph in the making.

    Values are strings, their names in the file. Names of nodes and values begin with the scope
    they are made in, so that a viewer shows the structure of the model.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._outputs: list[onnx.ValueInfoProto] = []
        self._scope: list[str] = []

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Put a prefix before the names of what is made in the body of the `with` statement."""
        self._scope.append(name)
        yield
        self._scope.pop()

    def input(self, name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> str:
        """Declare an input, once; names in the shape are sizes that vary."""
        if name not in self._inputs:
            self._inputs[name] = _value(name, dtype, shape)
        return name

    def output(self, name: str, value: str, dtype: type[np.generic],
               shape: Sequence[int | str]) -> str:
        """Declare a value as an output with a name of its own, and return the name."""
        self._nodes.append(helper.make_node('Identity', [value], [name], f'output/{name}'))
        self._outputs.append(_value(name, dtype, shape))
        return name

    def constant(self, value: ArrayLike, dtype: type[np.generic] | None = None) -> str:
        """Return the name of a constant; equal ones are stored once."""
        array = np.ascontiguousarray(np.asarray(value, dtype))
        array = array.reshape(np.shape(value))  # `ascontiguousarray` makes scalars vectors
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = self._name(f'constant_{len(self._known)}')
            self._known[key] = name
            self._initializers[name] = numpy_helper.from_array(array, name)
        return self._known[key]

    def shape(self, *sizes: int) -> str:
        """Return a constant shape, or other integers: [n] int64."""
        return self.constant(sizes, np.int64)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        return self.add_many(1, operator, *inputs, **attributes)[0]

    def add_many(self, count: int, operator: str, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        name = self._name(f'{operator}_{len(self._nodes)}')
        outputs = [name] if count == 1 else [f'{name}_{number}' for number in range(count)]
        self._nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))
        return outputs

    def slice(self, value: str, start: str, end: str, axis: int = 0) -> str:
        """Return a part of a value along an axis; `start` and `end` are [1] int64."""
        return self.add('Slice', value, start, end, self.shape(axis))

    def num_rows(self, value: str) -> str:
        """Return the number of rows: [1] int64."""
        return self.slice(self.add('Shape', value), self.shape(0), self.shape(1))

    def model(self, name: str, metadata: dict[str, str]) -> onnx.ModelProto:
        """Return the model; raise `onnx.checker.ValidationError` if it is not valid."""
        graph = helper.make_graph(self._nodes, name, list(self._inputs.values()), self._outputs,
                                  list(self._initializers.values()))
        model = helper.make_model(graph, producer_name='mask3d_ros', ir_version=IR_VERSION,
                                  opset_imports=[helper.make_opsetid('', OPSET)])
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _name(self, last: str) -> str:
        return '/'.join([*self._scope, last])


def subgraph(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str],
             ) -> onnx.ModelProto:
    """
    Return the part of a model between some of its values.

    Inputs of the model itself stay inputs where they are needed.

    Parameters
    ----------
    model : ModelProto
    inputs : names
        Outputs of the model that are inputs of the part.
    outputs : names
        Outputs of the model, those of the part.

    """
    graph, declared = model.graph, {value.name: value for value in model.graph.output}
    made_by = {name: node for node in graph.node for name in node.output}
    needed: set[str] = set()
    wanted = list(outputs)
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            if name in made_by and name not in inputs:
                wanted += [one for one in made_by[name].input if one]
    nodes = [node for node in graph.node
             if not needed.isdisjoint(node.output) and node.output[0] not in inputs]
    part = helper.make_graph(
        nodes, graph.name,
        [value for value in graph.input if value.name in needed]
        + [declared[name] for name in inputs if name in needed],
        [declared[name] for name in outputs],
        [tensor for tensor in graph.initializer if tensor.name in needed])
    return helper.make_model(part, producer_name=model.producer_name,
                             ir_version=model.ir_version, opset_imports=model.opset_import)


def tensor_type(dtype: type[np.generic]) -> int:
    """Return the element type of ONNX for one of numpy."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value(name: str, dtype: type[np.generic], shape: Sequence[int | str],
           ) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, tensor_type(dtype), list(shape))
