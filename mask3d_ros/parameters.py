"""ROS parameters: one table of specifications for each node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
import math
from typing import Any, Literal

from mask3d_core.errors import InputError
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

TakesEffect = Literal['live', 'configure', 'start']
CHANGE_RULES: Mapping[TakesEffect, str] = {
    'live': 'can be changed at any time',
    'configure': 'read at configure: deactivate and clean up the node before changing it',
    'start': 'read once, when the process starts',
}
"""When a change takes effect, as `ros2 param describe` shows it."""
DECLARED_LATER = ('diagnostic_updater.', 'qos_overrides.')
"""First parts of the names of parameters that are declared with a publisher or a subscription."""


@dataclass(frozen=True)
class ParameterSpec:
    """
    One parameter.

    Attributes
    ----------
    name : str
    default : value
    description : str
    range : tuple of two floats or None
        The smallest and the largest value.
    choices : tuple of str
    takes_effect : str
    check_value : callable or None
        Raises InputError for a value that cannot be used.

    """

    name: str
    default: Any
    description: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    takes_effect: TakesEffect = 'live'
    check_value: Callable[[Any], object] | None = None

    def descriptor(self) -> ParameterDescriptor:
        """Return the descriptor that `ros2 param describe` shows."""
        choices = [f'one of {", ".join(self.choices)}'] if self.choices else []
        descriptor = ParameterDescriptor(
            description=self.description, read_only=self.takes_effect == 'start',
            additional_constraints='; '.join([*choices, CHANGE_RULES[self.takes_effect]]))
        if self.range and isinstance(self.default, float):
            low, high = self.range
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.range:
            low, high = map(int, self.range)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
        return descriptor

    def check(self, value: Any) -> None:
        """Raise InputError if the value is none of the choices, not finite, or of no use."""
        if self.choices and value not in self.choices:
            raise InputError(f'{self.name} is {value!r}, expected one of '
                             + ', '.join(self.choices))
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f'{self.name} is {value}, expected a finite number')
        if self.check_value is not None:
            self.check_value(value)


def declare(node: Node, table: Iterable[ParameterSpec]) -> None:
    """
    Declare the parameters of a table.

    Raises
    ------
    ParameterException
        By rclpy, if an override has another type or is out of range.

    """
    for spec in table:
        node.declare_parameter(spec.name, spec.default, spec.descriptor())


def check_names(node: Node) -> None:
    """
    Raise InputError for a parameter file or command line that sets an unknown parameter.

    rclpy ignores such values. To be called when the node has declared its parameters.
    """
    declared = list(node.get_parameters_by_prefix(''))
    for name in node._parameter_overrides:
        if name not in declared and not name.startswith(DECLARED_LATER):
            near = get_close_matches(name, declared, 1)
            raise InputError(
                f'{node.get_name()} has no parameter {name!r}'
                + (f': did you mean {near[0]!r}?' if near else '; docs/node.md lists them'))


def values(node: Node, table: Iterable[ParameterSpec]) -> dict[str, Any]:
    """Return the current values of a table's parameters; raise InputError for an invalid one."""
    current = {spec.name: node.get_parameter(spec.name).value for spec in table}
    for spec in table:
        spec.check(current[spec.name])
    return current
