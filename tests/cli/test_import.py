"""``flask chest import``."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from flask import Flask

from flask_chest.app.state import get_state
from flask_chest.cli import chest as chest_group
from flask_chest.operations.background_retention import Maintenance
from flask_chest.query.export_ndjson import to_line
from flask_chest.record.json_line import encode

from ..dashboard.shop import TOKEN, log_in
from ..query.records import sample_records
from .shop import deliver, make_shop, records_left, run


def test_import_of_old_records(tmp_path: Path) -> None:
    """Imported records are in the rollups, and so in answers over long ranges."""
    app = make_shop(tmp_path)
    app.test_client().get("/")
    deliver(app)
    [chest] = get_state(app).chests
    Maintenance([chest], None).run(threading.Event())
    file = tmp_path / "past.ndjson"
    past = datetime.now(timezone.utc) - timedelta(days=7)
    old = [replace(each, time=past, route="/old", sample_rate=1.0) for each in sample_records(3)]
    file.write_bytes(b"".join(to_line(record) + b"\n" for record in old))
    assert run(app, "import", str(file)).stderr == ""
    stats = run(app, "stats", "--since", "30 days", "--where", "route=/old", "--json")
    assert [group["count"] for group in json.loads(stats.stdout)["groups"]] == [3]
    chest.close()


def test_import_through_a_pipe(tmp_path: Path) -> None:
    """Imports standard input, whose size is unknown."""
    app = make_shop(tmp_path)
    lines = b"\n".join(to_line(record) for record in sample_records(3))
    done = app.test_cli_runner().invoke(chest_group, ["import"], input=lines)
    assert (done.exit_code, done.stdout) == (0, "3 imported\n")
    assert records_left(app) == 3


def test_import_of_bad_lines(shop: Flask, tmp_path: Path) -> None:
    """Imports valid lines, reports invalid lines with their numbers, and fails."""
    file = tmp_path / "in.ndjson"
    good = encode(replace(sample_records(1)[0], id="new"))
    file.write_bytes(good + b"\n\nnot json\n" + b'{"id": 5}\n' * 9)
    result = run(shop, "import", str(file), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"imported": 1, "refused": 10}
    assert "line 3: it is not JSON" in result.stderr
    assert "10 lines are not valid records" in result.stderr


# Each of them stopped delivery, retention or a page before the bounds were checked.
ODD = (
    b'{"id": "odd1", "time": %d, "status": 9223372036854775808}',
    b'{"id": "odd2", "time": %d, "sample_rate": 5e-324}',
    b'{"id": "odd3", "time": -5, "vars": {"at": %d}}',
    b'{"id": "odd4", "time": %d, "duration_ms": 1e308}',
    b'{"id": "odd5", "time": %d, "kind": null}',
    b'{"id": "odd6", "time": %d, "bytes_sent": -1}',
)


def test_import_of_odd_records(tmp_path: Path) -> None:
    """A record beyond the bounds is refused; one of only id and time has the defaults.

    Maintenance, the commands and the dashboard's overview go on working.
    """
    app = make_shop(tmp_path, CHEST_DASHBOARD=True, CHEST_DASHBOARD_TOKEN=TOKEN, SECRET_KEY="k")
    now = int(datetime.now(timezone.utc).timestamp() * 1_000_000)
    many = json.dumps({f"v{number}": 1 for number in range(10_001)}).encode()
    lines = [line % now for line in ODD]
    lines.append(b'{"id": "odd7", "time": %d, "vars": %b}' % (now, many))
    file = tmp_path / "odd.ndjson"
    old = now - 8 * 86_400_000_000
    plain = [b'{"id": "plain", "time": %d}' % now, b'{"id": "old", "time": %d}' % old]
    file.write_bytes(b"\n".join([*lines, *plain]))
    result = run(app, "import", str(file), "--json")
    assert json.loads(result.stdout) == {"imported": 2, "refused": len(lines)}
    assert "expected" in result.stderr
    stats = run(app, "stats", "--json")
    assert [group["count"] for group in json.loads(stats.stdout)["groups"]] == [1]
    client = app.test_client()
    log_in(client)
    for page in ("/", "/requests", "/health"):
        assert client.get(f"/chest{page}").status_code == 200
    [chest] = get_state(app).chests
    Maintenance([chest], 86_400.0).run(threading.Event())
    assert records_left(app) == 1, "retention deletes the old one"
    chest.close()
