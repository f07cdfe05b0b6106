"""The lifecycle node `segment_node`: point clouds in, object instances out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
import time
from typing import Any

from mask3d_core.device import guard_memory
from mask3d_core.errors import InputError
from mask3d_core.files.source import user_path
from mask3d_core.segmenter import load_segmenter, Segmenter
from mask3d_core.weights.checkpoint import UNTRAINED
from mask3d_core.weights.shipped import shipped_weights
from mask3d_ros import parameters
from mask3d_ros.bond import Bond
from mask3d_ros.cloud_input import CloudInput, declare_overrides
from mask3d_ros.cloud_reader import CloudReader
from mask3d_ros.detections import LabelInfoTopic
from mask3d_ros.diagnostics import Diagnostics, NodeState
from mask3d_ros.error_log import ErrorLog
from mask3d_ros.map_segmenter import MapSegmenter
from mask3d_ros.object_state import ObjectState
from mask3d_ros.outputs import create_outputs, Output
from mask3d_ros.run_node import run_node
from mask3d_ros.segment_action import Model, SegmentAction
from mask3d_ros.segment_parameters import SEGMENT_NODE_PARAMETERS, Settings
from mask3d_ros.segmentation_worker import SegmentationWorker
from mask3d_ros.services import Services
from mask3d_ros.transforms import Transforms
from mask3d_ros.transitions import reject_invalid_transitions
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle.node import TransitionCallbackReturn
from rclpy.parameter import Parameter

INPUT_TOPIC = 'points'
POLL_SECONDS = 0.25
"""Period at which the node checks the ROS graph, and whether goals were canceled."""
STOP_SECONDS = 0.3
"""Longest time for which the end of the process waits for the work in progress."""


class SegmentNode(LifecycleNode):
    """
    Segments each cloud on `points` and publishes its object instances.

    configure loads the weights, activate subscribes, deactivate unsubscribes and discards the
    clouds, cleanup frees the model. No transition waits for the work in progress.
    `docs/node.md` lists topics, services and parameters.
    """

    def __init__(self) -> None:
        super().__init__('segment_node')
        reject_invalid_transitions(self)
        parameters.declare(self, SEGMENT_NODE_PARAMETERS)
        declare_overrides(self, INPUT_TOPIC)
        self._segmenter: Segmenter | None = None
        self._worker: SegmentationWorker | None = None
        self._reader: CloudReader | None = None
        self._outputs: list[Output] = []
        self._label_info: LabelInfoTopic | None = None
        self._input: CloudInput | None = None
        self._transforms = Transforms(self)
        self._model_facts: dict[str, str] = {}  # for the diagnostics
        self._failure = ''  # of the last transition
        self._active_since = 0.0
        self._diagnostics = Diagnostics(self, self._node_state, lambda: (
            [] if self._worker is None else self._worker.statistics.take_latencies()))
        self._bond = Bond(self)
        self._on_demand = Services(self, lambda: self._worker)
        self._action = SegmentAction(self, self._model)
        self._ending: SegmentationWorker | None = None  # its thread may not have ended yet
        parameters.check_names(self)
        # a steady clock, as simulated time may stand still
        self._timer = self.create_timer(POLL_SECONDS, self._poll_graph,
                                        clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.add_on_set_parameters_callback(self._change_parameters)

    def autostart(self) -> None:
        """Configure and activate, if the parameter `autostart` is true."""
        if (self.get_parameter('autostart').value
                and self.trigger_configure() == TransitionCallbackReturn.SUCCESS):
            self.trigger_activate()

    def close(self) -> None:
        """
        Stop the worker and free the model.

        Waits a moment for the work in progress; if that cannot be stopped in time, its thread
        ends later, and holds the model until then.
        """
        self._unsubscribe()
        self._release()
        if self._ending is not None:
            self._ending.close(STOP_SECONDS)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the weights and create the outputs; FAILURE if the weights cannot be used."""
        if self._guard(self._load):
            return super().on_configure(state)
        self._release()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the clouds."""
        if self._guard(self._subscribe):
            self._bond.form()
            return super().on_activate(state)
        return TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and discard the clouds."""
        self._unsubscribe()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and remove the outputs."""
        self._unsubscribe()
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and free everything."""
        self._unsubscribe()
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything; the node can be configured again."""
        self._unsubscribe()
        self._release()
        return super().on_error(state)

    def _guard(self, action: Callable[[], None]) -> bool:
        """Run an action of a transition and log its exception, which rclpy would not."""
        errors = ErrorLog(self.get_logger(), self.context.ok)
        succeeded = errors.guard(action)
        self._failure = '' if succeeded else errors.last_error
        if not self.context.ok():
            raise KeyboardInterrupt  # the process was interrupted: the transition cannot be ended
        return succeeded

    def _node_state(self) -> NodeState:
        """Return what the diagnostics report."""
        if self._segmenter is None or self._worker is None:
            return NodeState('unconfigured', self._failure)
        active = self._input is not None
        return NodeState(
            'active' if active else 'inactive', self._failure,
            active and self._worker.expects_results(),
            time.monotonic() - self._active_since, self._model_facts,
            self._worker.statistics.snapshot(), self._segmenter.device)

    def _load(self) -> None:
        values = parameters.values(self, SEGMENT_NODE_PARAMETERS)
        settings = Settings.of(values)
        if self._ending is not None:
            self._ending.close()  # its thread may still hold the memory of a model
            self._ending = None
        if settings.frames:
            self._transforms.listen()  # tf arrives while the weights are loaded
        with guard_memory('to load the weights: end other programs, or use another device'):
            segmenter = load_segmenter(_weights_file(values), values['device'],
                                       values['precision'], engine=values['engine'])
        settings.check_against(segmenter.weights)
        self._segmenter = segmenter
        self._model_facts = _model_facts(values, segmenter)
        for output in create_outputs(self):
            self._outputs.append(output)
        self._label_info = LabelInfoTopic(self, segmenter.weights.classes)
        self._label_info.publish(settings.extract.score_threshold)
        self._reader = CloudReader(self._transforms.wait, self.get_logger().warning,
                                   segmenter.weights.voxel_size, unit=values['input_unit'])
        state = None if not values['state_file'] else ObjectState(
            user_path(values['state_file']), segmenter.weights.classes, self.get_logger())
        self._worker = SegmentationWorker(
            MapSegmenter(segmenter, self._transforms.find, self._reader, state), settings,
            self._outputs, self.get_logger(), self.context.ok)
        self.get_logger().info(_model_summary(values, segmenter))
        if not segmenter.weights.trained:
            self.get_logger().warning(UNTRAINED)

    def _subscribe(self) -> None:
        assert self._segmenter is not None and self._worker is not None
        input_qos = self.get_parameter('input_qos').value
        self._input = CloudInput(self, INPUT_TOPIC, input_qos, self._worker.submit,
                                 self._worker.statistics.lose)
        self._active_since = time.monotonic()
        self._worker.resume()
        weights = self._segmenter.weights
        color = ('' if not weights.uses_color else
                 ', with or without colour' if weights.does_without_color else ', with colour')
        self.get_logger().info(f'waiting for clouds on {self._input.topic}: x y z in metres, '
                               f'z up{color}')

    def _unsubscribe(self) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None
        self._bond.end()
        if self._worker is not None:
            self._worker.pause()

    def _release(self) -> None:
        if self._worker is not None:
            self._worker.close(0)
            self._ending, self._worker = self._worker, None
        self._transforms.close()
        for output in self._outputs:
            output.close()
        self._outputs = []
        if self._label_info is not None:
            self._label_info.close()
            self._label_info = None
        self._segmenter = None

    def _model(self) -> Model | None:
        if self._segmenter is None or self._worker is None or self._reader is None:
            return None
        return Model(self._segmenter, self._settings(), self._worker, self._reader)

    def _settings(self, **changes: Any) -> Settings:
        return Settings.of(parameters.values(self, SEGMENT_NODE_PARAMETERS) | changes)

    def _poll_graph(self) -> None:
        self._action.check_goals()
        if self._input is not None and self._worker is not None:
            self._input.update_subscriptions()
            self._worker.check_subscribers()

    def _change_parameters(self, changes: Sequence[Parameter[Any]]) -> SetParametersResult:
        """Reject the changes with a reason, or apply them; rclpy then only stores the values."""
        try:
            self._change({change.name: change.value for change in changes})
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _change(self, changes: dict[str, Any]) -> None:
        specs = [spec for spec in SEGMENT_NODE_PARAMETERS if spec.name in changes]
        for spec in specs:
            spec.check(changes[spec.name])
            if spec.takes_effect == 'configure' and self._segmenter is not None:
                raise InputError(f'{spec.name} is {parameters.CHANGE_RULES[spec.takes_effect]}')
        if self._segmenter is not None and self._worker is not None and specs:
            settings = self._settings(**changes)
            settings.check_against(self._segmenter.weights)
            if settings.frames:
                self._transforms.listen()
            self._worker.change(settings)
            if self._label_info is not None:
                self._label_info.publish(settings.extract.score_threshold)


def _weights_file(values: dict[str, Any]) -> Path:
    given = values['weights']
    return user_path(given) if given else shipped_weights()


def _model_summary(values: dict[str, Any], segmenter: Segmenter) -> str:
    """Return the log line about the loaded weights."""
    weights, queries = segmenter.weights, values['num_queries'] or segmenter.num_queries
    max_voxels = weights.max_voxels if values['max_voxels'] < 0 else values['max_voxels']
    return (f'{_weights_file(values)}: {weights.model.backbone}, {len(weights.classes)} classes, '
            f'voxels of {100 * weights.voxel_size:g} cm, '
            + (f'larger ones above {max_voxels} voxels, ' if max_voxels else '')
            + f'{queries} queries, on {segmenter.device} in {values["precision"]} by '
            + ', '.join(segmenter.engine.versions()))


def _model_facts(values: dict[str, Any], segmenter: Segmenter) -> dict[str, str]:
    """Return what the diagnostics say of the model."""
    return {'weights': str(_weights_file(values)), 'model': segmenter.weights.model.backbone,
            'device': str(segmenter.device), 'precision': values['precision'],
            'engine': segmenter.engine.name}


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    run_node(SegmentNode, args, start=SegmentNode.autostart, stop=SegmentNode.close)


if __name__ == '__main__':
    main()
