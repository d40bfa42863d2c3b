"""A custom chest: it writes each record to a JSON file, reads the files back and deletes them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from flask import Flask, g

from flask_chest import Chest, FlaskChest, Record
from flask_chest.chests.eraser import Eraser
from flask_chest.chests.record_reader import RecordReader
from flask_chest.errors import DeliveryError
from flask_chest.record.batch import Batch, encoded_lines
from flask_chest.record.json_line import EPOCH


class FolderChest(Chest):
    """Writes each record to a file that is named after the record's id.

    :param folder: the folder of the files; created on first use.
    """

    scheme = "folder"

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.folder = folder

    def write(self, records: Sequence[Record]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for record, line in zip(records, encoded_lines(records), strict=True):
                # A record that is sent twice replaces its own file, and a reader sees only whole
                # files.
                draft = self.folder / f".{record.id}"
                draft.write_bytes(line + b"\n")
                draft.replace(self.folder / f"{record.id}.json")
        except OSError as error:
            raise self.to_delivery_error(error) from None

    def remedy(self, error: BaseException) -> str:
        return "make room, or name another folder"

    def check(self) -> None:
        if not self.folder.is_dir():
            raise DeliveryError(self.error_message("there is no such folder"))

    def describe(self) -> str:
        return str(self.folder)

    def reader(self) -> FolderReader:
        return FolderReader(self)

    def eraser(self) -> FolderEraser:
        return FolderEraser(self)


class FolderReader(RecordReader):
    """Reads the records of a :class:`FolderChest`."""

    def __init__(self, chest: FolderChest) -> None:
        super().__init__(chest.name)
        self.chest = chest

    def records_between(self, since: datetime, until: datetime) -> Batch:
        try:
            return Batch([path.read_bytes() for path in self.chest.folder.glob("*.json")])
        except OSError as error:
            raise self.chest.to_read_error(error) from None


class FolderEraser(Eraser):
    """Deletes records of a :class:`FolderChest`."""

    def __init__(self, chest: FolderChest) -> None:
        self.chest = chest

    def erase(self, ids: Sequence[str]) -> int:
        found = [path for path in self.chest.folder.glob("*.json") if path.stem in ids]
        try:
            for path in found:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise self.chest.to_read_error(error) from None
        return len(found)

    def prune(self, before: datetime) -> Iterator[int]:
        for record in self.chest.reader().records_between(EPOCH, before):
            if record.time < before:
                yield self.erase([record.id])

    def close(self) -> None:
        """There is nothing to close."""


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
