"""The services of `segment_node`: segment now, enable, reset, save, get an object."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import threading
from typing import Generic, TypeVar

from mask3d_core.errors import InputError
from mask3d_core.files.source import user_path
from mask3d_ros.error_log import ErrorLog
from mask3d_ros.object_messages import get_object
from mask3d_ros.result import SegmentationResult
from mask3d_ros.save_result import save_result
from mask3d_ros.segmentation_worker import NOT_ACTIVE, SegmentationWorker
from mask3d_ros.srv import GetObject
from mask3d_ros.worker import Answer
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

NOT_CONFIGURED = 'the node is not configured: configure it first'
NO_RESULT = 'there is no result yet'
Outcome = tuple[bool, str]
Value = TypeVar('Value')


class Services:
    """
    The services; they answer in every state of the node, in one sentence.

    Those that take time answer when they are done. Meanwhile the executor stays free: their
    callbacks are coroutines that wait for another thread.

    Parameters
    ----------
    node : Node
    worker : callable
        Returns the worker, or None while the node is not configured.

    """

    def __init__(self, node: Node, worker: Callable[[], SegmentationWorker | None]) -> None:
        self._node = node
        self._worker = worker
        group = ReentrantCallbackGroup()  # in another, all callbacks wait for a coroutine
        for kind, name, callback in ((Trigger, 'segment', self._segment),
                                     (SetBool, 'enable', self._enable),
                                     (Trigger, 'reset', self._reset),
                                     (Trigger, 'save', self._save),
                                     (GetObject, 'get_object', self._get_object)):
            node.create_service(kind, f'~/{name}', callback, callback_group=group)

    async def _segment(self, request: Trigger.Request, response: Trigger.Response,
                       ) -> Trigger.Response:
        worker = self._worker()
        ask = None if worker is None else worker.segment_now
        return await self._answered(response, ask, NOT_ACTIVE)

    async def _answered(self, response: Trigger.Response, ask: Callable[[Answer], None] | None,
                        refusal: str) -> Trigger.Response:
        """Ask for something, wait for the answer, and fill the response; None: refuse."""
        waiting = Waiting(self._node, (False, refusal))
        if ask is not None:
            ask(lambda success, text: waiting.end((success, text)))
            await waiting.future
        response.success, response.message = waiting.outcome
        return response

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        worker = self._worker()
        if worker is None or not worker.enable(request.data):
            response.success, response.message = False, NOT_ACTIVE
        else:
            response.success = True
            response.message = ('clouds are segmented' if request.data else
                                'clouds are not segmented, except by ~/segment')
        return response

    async def _reset(self, request: Trigger.Request, response: Trigger.Response,
                     ) -> Trigger.Response:
        worker = self._worker()
        ask = None if worker is None else worker.reset
        return await self._answered(response, ask, NOT_CONFIGURED)

    async def _save(self, request: Trigger.Request, response: Trigger.Response,
                    ) -> Trigger.Response:
        worker = self._worker()
        result = None if worker is None else worker.result
        ask = None if result is None else partial(self._save_in_thread, result)
        return await self._answered(response, ask, NOT_CONFIGURED if worker is None else NO_RESULT)

    def _save_in_thread(self, result: SegmentationResult, answer: Answer) -> None:
        folder = self._node.get_parameter('save_dir').value
        errors = ErrorLog(self._node.get_logger(), self._node.context.ok)

        def save() -> Outcome:
            try:
                paths = save_result(user_path(folder).absolute(), result)
                written = ' '.join(map(str, paths))
                self._node.get_logger().info(f'wrote {written}')
                return True, written
            except InputError as error:
                return False, str(error)

        failed = (False, 'an unexpected error, which is in the log')
        threading.Thread(target=lambda: answer(*errors.value_or(failed, save)),
                         name='save', daemon=True).start()

    def _get_object(self, request: GetObject.Request, response: GetObject.Response,
                    ) -> GetObject.Response:
        worker = self._worker()
        result = None if worker is None else worker.result
        if result is None:
            return GetObject.Response(message=NOT_CONFIGURED if worker is None else NO_RESULT)
        return get_object(request.id, result)


class Waiting(Generic[Value]):
    """
    What a coroutine of the executor waits for, and another thread ends.

    Parameters
    ----------
    node : Node
        That of the coroutine.
    outcome
        As long as there is no other.

    Attributes
    ----------
    future : Future
        To be awaited.
    outcome
        The first that was given to `end`.

    """

    def __init__(self, node: Node, outcome: Value) -> None:
        self._node = node
        self.outcome = outcome
        self.future: Future[None] = Future(executor=node.executor)

    def end(self, outcome: Value) -> None:
        """Let the coroutine go on; only the first call counts."""
        if not self.future.done():
            self.outcome = outcome
            self.future.set_result(None)
            executor = self._node.executor
            if executor is not None:
                executor.wake()  # a task that waits is resumed when the executor wakes
