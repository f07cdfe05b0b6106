"""The latest diagnostics of a segment_node: what it has received, and what became of it."""

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from mask3d_ros.node_subprocess import NodeSubprocess
from ros_client import Client


class NodeDiagnostics:
    """
    Subscribes to `/diagnostics` and keeps the last status of segment_node, in any namespace.

    Attributes
    ----------
    status : DiagnosticStatus or None
        None until there is one.
    values : dict of str to str
        Its key-value pairs.

    """

    def __init__(self, client: Client) -> None:
        self.status: DiagnosticStatus | None = None
        self.values: dict[str, str] = {}
        self._client = client
        client.node.create_subscription(DiagnosticArray, '/diagnostics', self._receive, 10)

    def wait(self, process: NodeSubprocess,
             condition: Callable[[DiagnosticStatus, dict[str, str]], Any]) -> dict[str, str]:
        """Wait for diagnostics for which a condition holds; return their values."""
        self._client.wait(
            lambda: self.status is not None and condition(self.status, self.values), process)
        return self.values

    def wait_until_received(self, process: NodeSubprocess, clouds: int) -> None:
        """Wait until so many clouds have arrived since configure; each is counted once."""
        self.wait(process, lambda status, values: values.get('received') == str(clouds))

    def _receive(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == 'segment_node: segmentation':
                self.status = status
                self.values = {entry.key: entry.value for entry in status.values}
