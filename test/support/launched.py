"""Start processes that meet on this machine, as torchrun and SLURM do."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys


def environment(**more: str) -> dict[str, str]:
    """
    Return what processes need to meet on this machine, on a port that is free.

    It is below those that the system hands to connections, so none of them takes it meanwhile.
    """
    for port in random.sample(range(20000, 32000), 100):
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(('127.0.0.1', port))
            break
    return os.environ | {'OMP_NUM_THREADS': '1', 'MASTER_ADDR': '127.0.0.1',
                         'MASTER_PORT': str(port)} | more


def start(command: list[str], place: dict[str, str]) -> subprocess.Popen[str]:
    """Start Python with these arguments."""
    return subprocess.Popen([sys.executable, *command], env=place, start_new_session=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_torchrun(command: list[str], num_processes: int = 2) -> subprocess.Popen[str]:
    """Start torchrun with these arguments."""
    place = environment()
    return start(['-m', 'torch.distributed.run', '--nproc_per_node', str(num_processes),
                  '--master_port', place['MASTER_PORT'], *command], place)


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end and return stdout and stderr; nothing that was started lives on."""
    try:
        return process.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
