"""A chest of one's own: a folder with one JSON file per record."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from flask import Flask, g

from flask_chest import Chest, FlaskChest, Record
from flask_chest.errors import DeliveryError
from flask_chest.record.encoding import encoded_lines


class FolderChest(Chest):
    """Keeps each record in a file of its own, called by the record's id.

    :param folder: made where it is missing.
    """

    scheme = "folder"

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.folder = folder

    def write(self, records: Sequence[Record]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for record, line in zip(records, encoded_lines(records), strict=True):
                # Sent twice, it is written twice to one place. Readers see whole files only.
                draft = self.folder / f".{record.id}"
                draft.write_bytes(line + b"\n")
                draft.replace(self.folder / f"{record.id}.json")
        except OSError as error:
            raise DeliveryError(
                self.error_message(error, "make room, or name another folder")
            ) from None

    def check(self) -> None:
        if not self.folder.is_dir():
            raise DeliveryError(self.error_message("there is no such folder"))

    def describe(self) -> str:
        return str(self.folder)


def create_app(folder: Path) -> Flask:
    """Make an app whose records go to a folder."""
    app = Flask(__name__, instance_path=str(folder.absolute()))
    FlaskChest(app, chests=[FolderChest(folder / "records")])

    @app.get("/<name>")
    def greet(name: str) -> str:
        g.name = name
        return f"Hello, {name}!"

    return app


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Path(folder))
        app.test_client().get("/Ada")
        app.extensions["chest"].close()
        for path in Path(folder, "records").iterdir():
            print(path.name, path.read_text(), end="")


if __name__ == "__main__":
    main()
