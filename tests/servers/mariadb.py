"""MariaDB, started for a test: ``with MariaDB() as server: ... server.url``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pymysql

from .daemon import Daemon
from .programs import find_program

_USERS = """
CREATE DATABASE chest CHARACTER SET utf8mb4;
CREATE USER chest@'%' IDENTIFIED BY 'secret';
GRANT ALL ON chest.* TO chest@'%';
GRANT PROCESS ON *.* TO chest@'%';
"""


class MariaDB(Daemon):
    """A server with the user ``chest``, its password ``secret`` and a database ``chest``.

    :param options: more arguments of ``mariadbd``.
    :param certificate: offer TLS with this certificate and key.
    """

    user = "mysql"

    def __init__(self, *options: str, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self._options = options
        self._certificate = certificate

    @property
    def url(self) -> str:
        return f"mariadb://chest:secret@127.0.0.1:{self.port}/chest"

    def prepare(self) -> None:
        temporary = self.folder / "tmp"
        temporary.mkdir()
        self._own(temporary)
        self.run(
            find_program("mariadb-install-db", "mariadb-server"),
            "--no-defaults",
            *self._folders(),
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        (self.folder / "users.sql").write_text(_USERS)
        for file in self._certificate or ():
            copy = self.folder / file.name
            copy.write_bytes(file.read_bytes())
            self._own(copy)

    def command(self) -> Sequence[str]:
        made = (self.folder / "made").exists()
        tls = [f"--ssl-{kind}={self.folder / file.name}" for kind, file in self._tls()]
        return [
            find_program("mariadbd", "mariadb-server"),
            "--no-defaults",
            *self._folders(),
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            *tls,
            *self._options,
            *([] if made else [f"--init-file={self.folder}/users.sql"]),
        ]

    def is_ready(self) -> bool:
        pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="chest",
            password="secret",
            database="chest",
            connect_timeout=2,
        ).close()
        (self.folder / "made").touch()
        return True

    def _folders(self) -> list[str]:
        # A server that starts removes the temporary tables that it finds, and takes those of one
        # that runs for leftovers of its own: queries there fail, or it crashes.
        # https://github.com/MariaDB/server/blob/10.11/sql/sql_base.cc, mysql_rm_tmp_tables
        return [f"--datadir={self.folder}/data", f"--tmpdir={self.folder}/tmp"]

    def _tls(self) -> list[tuple[str, Path]]:
        return list(zip(("cert", "key"), self._certificate or (), strict=False))
