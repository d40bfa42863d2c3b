"""A forked process has the producer of its parent, but not the producer's threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.servers.kafka import Kafka

_FORKS = """
import os, sys
from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.testing import make_records
chest = FlaskChestKafka(sys.argv[1])
chest.write(make_records(1))
pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
if sys.argv[2] == "writes":
    chest.write(make_records(1))
if sys.argv[2] == "closes":
    chest.close()
"""


@pytest.mark.server
@pytest.mark.parametrize(("what", "count"), [("nothing", 1), ("closes", 1), ("writes", 2)])
def test_forked_process_ends(what: str, count: int) -> None:
    """A process whose parent had a producer can exit, whether it uses the producer or not."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Kafka() as cluster:
        command = [sys.executable, "-c", _FORKS, cluster.url, what]
        subprocess.run(command, check=True, timeout=300, env=environment)
        assert len(cluster.messages()) == count
