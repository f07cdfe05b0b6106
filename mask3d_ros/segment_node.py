"""The node: point clouds in, object instances out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.weights.checkpoint import UNTRAINED
from mask3d_core.weights.shipped import shipped_weights
from mask3d_ros import parameters
from mask3d_ros.cloud_input import CloudInput, declare_overrides
from mask3d_ros.error_log import ErrorLog
from mask3d_ros.outputs import create_outputs, Output
from mask3d_ros.parameters import SEGMENT_NODE, Settings
from mask3d_ros.process import run_node
from mask3d_ros.segmentation import Segmentation
from mask3d_ros.transitions import refuse_impossible_transitions
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle.node import TransitionCallbackReturn
from rclpy.parameter import Parameter
import torch

INPUT = 'points'
LOOK_SECONDS = 0.25
"""How often the node looks for new publishers and subscribers."""


class SegmentNode(LifecycleNode):
    """
    Answers each cloud on `points` with the object instances in it.

    A lifecycle node: configure loads the weights, activate subscribes, deactivate unsubscribes and
    forgets the clouds, cleanup frees the model. `docs/node.md` has its topics and parameters.
    """

    def __init__(self) -> None:
        super().__init__('segment_node')
        refuse_impossible_transitions(self)
        parameters.declare(self, SEGMENT_NODE)
        declare_overrides(self, INPUT)
        self._segmenter: Segmenter | None = None
        self._segmentation: Segmentation | None = None
        self._outputs: list[Output] = []
        self._input: CloudInput | None = None
        # A steady clock looks for subscribers even while simulated time stands still.
        self._timer = self.create_timer(LOOK_SECONDS, self._look,
                                        clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.add_on_set_parameters_callback(self._change_parameters)

    def autostart(self) -> None:
        """Configure and activate, if the parameter says so."""
        if (self.get_parameter('autostart').value
                and self.trigger_configure() == TransitionCallbackReturn.SUCCESS):
            self.trigger_activate()

    def close(self) -> None:
        """Stop the worker and free the model; waits for the cloud in work."""
        self._unsubscribe()
        self._release()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the weights and offer the outputs; a file that cannot be used is a FAILURE."""
        if self._transition(self._load):
            return super().on_configure(state)
        self._release()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the clouds."""
        if self._transition(self._subscribe):
            return super().on_activate(state)
        return TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, and forget the clouds; returns at once, also while one is in work."""
        self._unsubscribe()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and remove the outputs; waits for the cloud in work."""
        self.close()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and free everything; waits for the cloud in work."""
        self.close()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, to be configured again."""
        self.close()
        return super().on_error(state)

    def _transition(self, action: Callable[[], None]) -> bool:
        """Do something whose exceptions rclpy would swallow."""
        return ErrorLog(self.get_logger(), self.context.ok).survive(action)

    def _load(self) -> None:
        values = parameters.values(self, SEGMENT_NODE)
        settings = Settings.of(values)
        segmenter = load_segmenter(_weights_file(values), values['device'], values['precision'])
        settings.check_for(segmenter.weights)
        self._segmenter = segmenter
        for output in create_outputs(self):
            self._outputs.append(output)
        self._segmentation = Segmentation(segmenter, settings, self._outputs, self.get_logger(),
                                          self.context.ok)
        self.get_logger().info(_facts(values, segmenter))
        if not segmenter.weights.trained:
            self.get_logger().warning(UNTRAINED)

    def _subscribe(self) -> None:
        assert self._segmenter is not None and self._segmentation is not None
        choice = self.get_parameter('input_qos').value
        self._input = CloudInput(self, INPUT, choice, self._segmentation.submit)
        self._segmentation.resume()
        weights = self._segmenter.weights
        color = ('' if not weights.uses_color else
                 ', with or without colour' if weights.does_without_color else ', with colour')
        self.get_logger().info(f'waiting for clouds on {self._input.topic}: x y z in metres, '
                               f'z up{color}')

    def _unsubscribe(self) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._segmentation is not None:
            self._segmentation.pause()

    def _release(self) -> None:
        if self._segmentation is not None:
            self._segmentation.close()
            self._segmentation = None
        for output in self._outputs:
            output.close()
        self._outputs = []
        on_gpu = self._segmenter is not None and self._segmenter.device.type == 'cuda'
        self._segmenter = None
        if on_gpu:
            torch.cuda.empty_cache()

    def _look(self) -> None:
        if self._input is not None and self._segmentation is not None:
            self._input.follow()
            self._segmentation.look()

    def _change_parameters(self, changes: Sequence[Parameter[Any]]) -> SetParametersResult:
        """Refuse changes, or apply them: all that comes after this is that rclpy stores them."""
        try:
            self._change({change.name: change.value for change in changes})
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _change(self, changes: dict[str, Any]) -> None:
        rows = [row for row in SEGMENT_NODE if row.name in changes]
        for row in rows:
            row.check(changes[row.name])
            if row.when == 'configure' and self._segmenter is not None:
                raise InputError(f'{row.name} is {parameters.CONSTRAINTS[row.when]}')
        if self._segmenter is not None and self._segmentation is not None and rows:
            settings = Settings.of(parameters.values(self, SEGMENT_NODE) | changes)
            settings.check_for(self._segmenter.weights)
            self._segmentation.change(settings)


def _weights_file(values: dict[str, Any]) -> Path:
    given = values['weights']
    return Path(given).expanduser() if given else shipped_weights()


def _facts(values: dict[str, Any], segmenter: Segmenter) -> str:
    weights, queries = segmenter.weights, values['num_queries'] or segmenter.num_queries
    most = weights.max_voxels if values['max_voxels'] < 0 else values['max_voxels']
    return (f'{_weights_file(values)}: {weights.model.backbone}, {len(weights.classes)} classes, '
            f'voxels of {100 * weights.voxel_size:g} cm, '
            + (f'larger ones from {most} on, ' if most else '') + f'{queries} queries, '
            f'on {segmenter.device} in {values["precision"]}')


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is told to end."""
    run_node(SegmentNode, args, start=SegmentNode.autostart, stop=SegmentNode.close)


if __name__ == '__main__':
    main()
