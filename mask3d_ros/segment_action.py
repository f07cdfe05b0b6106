"""The action of `segment_node`: segment one cloud or file, apart from the map of the node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from mask3d_core.errors import InputError, NotEnoughMemoryError
from mask3d_core.files import read_scan
from mask3d_core.files.source import user_path
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.stop import begin_stage, stoppable, Stopped, StopRequest
from mask3d_core.tracking import untracked
from mask3d_ros.action import SegmentCloud
from mask3d_ros.cloud_reader import CloudReader
from mask3d_ros.error_log import ErrorLog
from mask3d_ros.messages import instance_array, nanoseconds
from mask3d_ros.result import SegmentationResult
from mask3d_ros.segment_parameters import Settings
from mask3d_ros.segmentation_worker import NOT_ACTIVE, SegmentationWorker
from mask3d_ros.services import Waiting
from mask3d_ros.worker import Job
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2

CANCELED = 'the goal was canceled'
STAGES = ('read', 'tiles', 'voxels', 'pyramid', 'unet', 'decoder', 'superpoints', 'clustering',
          'instances', 'joining')
"""The stages of a goal; those between 'tiles' and 'joining' once for each tile."""
Result: TypeAlias = SegmentCloud.Result


@dataclass(frozen=True)
class Model:
    """What a goal needs of a configured node."""

    segmenter: Segmenter
    settings: Settings
    worker: SegmentationWorker
    reader: CloudReader


class SegmentAction:
    """
    The action server; goals are segmented one after another, before the next cloud of the map.

    Parameters
    ----------
    node : Node
    model : callable
        Returns the model, or None while the node is not configured.

    """

    def __init__(self, node: Node, model: Callable[[], Model | None]) -> None:
        self._node = node
        self._model = model
        self._errors = ErrorLog(node.get_logger(), node.context.ok)
        self._goals: list[Goal] = []
        self._server: ActionServer[Any, Any, Any] = ActionServer(
            node, SegmentCloud, '~/segment_cloud', self._execute,
            cancel_callback=lambda goal: CancelResponse.ACCEPT)

    def check_goals(self) -> None:
        """End the goals that were canceled or stopped; to be called periodically."""
        for goal in list(self._goals):
            goal.check()

    async def _execute(self, handle: ServerGoalHandle[Any, Any, Any]) -> Result:
        model = self._model()
        goal = Goal(handle, Waiting(self._node, failure(Result.NOT_ACTIVE, NOT_ACTIVE)))
        if model is not None and model.worker.run(Job(
                lambda: goal.run(model, self._errors), goal.request)):
            self._goals.append(goal)
            await goal.waiting.future
            self._goals.remove(goal)
        result = goal.waiting.outcome
        if result.error_code == Result.CANCELED:
            handle.canceled()
        elif result.error_code == Result.SUCCESS:
            handle.succeed()
        else:
            handle.abort()
        return result


class Goal:
    """One goal: its input, how far it is, and what becomes of it."""

    def __init__(self, handle: ServerGoalHandle[Any, Any, Any], waiting: Waiting[Result]) -> None:
        self.waiting = waiting
        self.request = StopRequest(self._tell_stage)
        self._handle = handle
        self._tiles = (0, 1)  # how many are done, and how many there are

    def check(self) -> None:
        """End the goal if it is to stop; the thread goes on until its next check."""
        if self._handle.is_cancel_requested:
            self.request.make(CANCELED)
        if self.request:
            code = Result.CANCELED if self.request.reason == CANCELED else Result.NOT_ACTIVE
            self.waiting.end(failure(code, self.request.reason))

    def run(self, model: Model, errors: ErrorLog) -> None:
        """Segment, in the thread of the worker."""
        failed = failure(Result.FAILED, 'an unexpected error, which is in the log of the node')
        self.waiting.end(errors.value_or(failed, lambda: self._segment(model)))

    def _segment(self, model: Model) -> Result:
        try:
            with stoppable(self.request):
                return self._segmented(model)
        except Stopped:
            code = Result.CANCELED if self.request.reason == CANCELED else Result.NOT_ACTIVE
            return failure(code, self.request.reason)
        except FileNotFoundError as error:
            return failure(Result.FILE_NOT_FOUND, str(error))
        except NotEnoughMemoryError as error:
            return failure(Result.OUT_OF_MEMORY, str(error))
        except InputError as error:
            return failure(Result.INVALID_CLOUD, str(error))

    def _segmented(self, model: Model) -> Result:
        begin_stage('read')
        settings = model.settings
        cloud, scan = read_goal(self._handle.request, model.reader, settings.target_frame)
        opened = model.segmenter.open_map(
            scan, settings.extract, tiles=settings.tiles(model.segmenter.weights),
            num_queries=settings.num_queries or None, max_voxels=settings.max_voxels)
        self._tiles = 0, opened.num_tiles
        for number, _ in enumerate(opened.run(), 1):
            self._tiles = number, opened.num_tiles
        instances = opened.result().instances
        return Result(instances=instance_array(SegmentationResult(
            cloud, scan, untracked(instances, nanoseconds(cloud.header.stamp)), instances.seconds,
            color_by=settings.color_by)))

    def _tell_stage(self, stage: str) -> None:
        done, total = self._tiles
        part = 0.0 if done == total else STAGES.index(stage) / len(STAGES)
        self._handle.publish_feedback(
            SegmentCloud.Feedback(stage=stage, progress=(done + part) / total))


def failure(code: int, message: str) -> Result:
    """Return the result of a goal that was not reached."""
    return Result(error_code=code, error_message=message)


def read_goal(request: SegmentCloud.Goal, reader: CloudReader, target_frame: str,
              ) -> tuple[PointCloud2, Scan]:
    """
    Return the cloud of a goal and its points; of a file the cloud has only the number of points.

    A cloud is transformed into the target frame; a file has no frame and stays as it is.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    InputError
        If the cloud or the file cannot be used.

    """
    if request.cloud.fields:
        return reader.read(request.cloud, target_frame)
    if not request.file:
        raise InputError('expected a cloud with fields, or the path of a file')
    path = user_path(request.file)
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist on the machine of the node')
    scan = read_scan(path, conventions=reader.conventions)
    reader.check(scan)
    return PointCloud2(height=1, width=scan.input_size), scan
