"""MariaDB as a test server: ``with MariaDB() as server: ... server.url``."""

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
    """A server with the user and database ``chest`` and the password ``secret``.

    :param options: additional arguments for ``mariadbd``.
    :param certificate: certificate and key; with them the server offers TLS.
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
        self._give_to_user(temporary)
        self.run(
            find_program("mariadb-install-db", "mariadb-server"),
            "--no-defaults",
            *self._folders(),
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        (self.folder / "users.sql").write_text(_USERS)
        self.copy_to_folder(self._certificate or ())

    def command(self) -> Sequence[str]:
        has_users = (self.folder / "has-users").exists()
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
            *([] if has_users else [f"--init-file={self.folder}/users.sql"]),
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
        (self.folder / "has-users").touch()
        return True

    def _folders(self) -> list[str]:
        # Its own folder for temporary tables: in a shared folder, a server that starts deletes the
        # temporary tables of servers that run, whose queries then fail.
        # https://github.com/MariaDB/server/blob/10.11/sql/sql_base.cc, mysql_rm_tmp_tables
        return [f"--datadir={self.folder}/data", f"--tmpdir={self.folder}/tmp"]

    def _tls(self) -> list[tuple[str, Path]]:
        return list(zip(("cert", "key"), self._certificate or (), strict=False))
