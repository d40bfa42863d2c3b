"""ClickHouse of 2018, which Debian has, as a test server: ``with OldClickHouse() as server``."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.request import urlopen

from .daemon import Daemon
from .programs import find_program

_SERVER = """
<yandex>
    <logger><level>warning</level><console>1</console></logger>
    <http_port>{port}</http_port>
    <listen_host>127.0.0.1</listen_host>
    <path>./data/</path>
    <tmp_path>./tmp/</tmp_path>
    <users_config>users.xml</users_config>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <mark_cache_size>1000000</mark_cache_size>
</yandex>
"""
_USERS = """
<yandex>
    <profiles><default></default></profiles>
    <quotas><default></default></quotas>
    <users><chest>
        <password>secret</password>
        <networks><ip>127.0.0.1</ip></networks>
        <profile>default</profile>
        <quota>default</quota>
    </chest></users>
</yandex>
"""


class OldClickHouse(Daemon):
    """ClickHouse 18.16, with the user ``chest`` and the password ``secret``.

    The chest needs a newer one; this server shows what it reports.
    """

    @property
    def url(self) -> str:
        return f"clickhouse://chest:secret@127.0.0.1:{self.port}/default"

    def prepare(self) -> None:
        (self.folder / "config.xml").write_text(_SERVER.format(port=self.port))
        (self.folder / "users.xml").write_text(_USERS)

    def command(self) -> Sequence[str]:
        program = find_program("clickhouse-server", "clickhouse-server")
        return [program, "--config-file=config.xml"]

    def is_ready(self) -> bool:
        with urlopen(f"http://127.0.0.1:{self.port}/", timeout=2) as answer:
            return bool(answer.read() == b"Ok.\n")
