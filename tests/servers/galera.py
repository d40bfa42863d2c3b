"""Two MariaDB nodes that replicate with Galera: ``with galera() as (first, second): ...``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .daemon import free_port
from .mariadb import MariaDB
from .programs import find_program

PLACES = ["usr/lib/galera/libgalera_smm.so"]


class GaleraNode(MariaDB):
    """A node of a cluster.

    :param peer: a node that runs already; ``None`` makes the first node of a new cluster.
    """

    def __init__(self, peer: GaleraNode | None = None) -> None:
        super().__init__()
        self._peer = peer
        self.group_port, self._transfer_port = free_port(), free_port()

    def command(self) -> Sequence[str]:
        find_program("rsync", "rsync")
        provider = find_program("libgalera_smm.so", "galera-4", places=PLACES)
        peer = "" if self._peer is None else f"127.0.0.1:{self._peer.group_port}"
        options = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{self.group_port}",
            f"ist.recv_addr=127.0.0.1:{free_port()}",
        )
        return [
            *super().command(),
            "--wsrep-on=ON",
            f"--wsrep-provider={provider}",
            f"--wsrep-provider-options={';'.join(options)}",
            f"--wsrep-cluster-address=gcomm://{peer}",
            "--wsrep-node-address=127.0.0.1",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{self._transfer_port}",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
        ]


@contextmanager
def galera() -> Iterator[tuple[GaleraNode, GaleraNode]]:
    """Run a cluster of two nodes."""
    with GaleraNode() as first, GaleraNode(first) as second:
        yield first, second
