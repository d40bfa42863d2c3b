"""The HTTP chest, against a real endpoint on loopback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flask_chest.chests.factory import make_chest
from flask_chest.chests.http.chest import FlaskChestCustomWriter
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.testing import check_chest, make_records
from flask_chest.typing import ContextTuple
from tests.servers.certificates import PrivateCA
from tests.servers.daemon import free_port
from tests.servers.http import HTTPRecorder, Reply


@pytest.fixture
def server() -> Iterator[HTTPRecorder]:
    with HTTPRecorder() as server:
        yield server


def stored_ids(server: HTTPRecorder) -> list[str]:
    """The ids in an endpoint that ignores a repeated Idempotency-Key."""
    posts = [request for request in server.requests if request.method == "POST"]
    good = [post for post in posts if server.reject is None or server.reject not in post.body]
    return list({record["id"] for post in good for record in post.json})


def test_conforms(server: HTTPRecorder) -> None:
    """The chest passes the suite that every chest must pass."""
    server.reject = b"no-such-thing"
    poison = replace(make_records(1)[0], request_id="no-such-thing")
    done = check_chest(
        lambda: FlaskChestCustomWriter(server.url),
        read=lambda: stored_ids(server),
        poison=poison,
        server=server,
        timeout=1,
    )
    assert len(done) == 6


def test_default_payload(server: HTTPRecorder) -> None:
    """Without a generator the payload is one array of records."""
    records = make_records(3)
    FlaskChestCustomWriter(server.url).write(records)
    [request] = server.requests
    assert [each["id"] for each in request.json] == [record.id for record in records]
    assert request.json[0]["vars"] == records[0].vars
    assert request.headers["Content-Type"] == "application/json"


def test_payload_generator_gets_tuples(server: HTTPRecorder) -> None:
    """The generator gets (name, value, request id) in tracked order, and its result is the body."""
    seen: list[list[ContextTuple]] = []

    def generate(context_tuple_list: list[ContextTuple]) -> Any:
        seen.append(context_tuple_list)
        return {"sum": sum(value for _, value, _ in context_tuple_list)}

    records = [
        replace(record, vars={"b": 1, "a": number}) for number, record in enumerate(make_records(2))
    ]
    FlaskChestCustomWriter(server.url, payload_generator=generate).write(records)
    assert seen == [
        [("b", 1, "check-0"), ("a", 0, "check-0"), ("b", 1, "check-1"), ("a", 1, "check-1")]
    ]
    assert server.requests[0].json == {"sum": 3}


def test_headers_params_and_address(server: HTTPRecorder) -> None:
    """Both address shapes work, and each request has the headers and parameters given."""
    chest = FlaskChestCustomWriter(
        host="127.0.0.1", port=server.port, headers={"X-Key": "k"}, params={"db": "shop"}
    )
    chest.write(make_records(1))
    [request] = server.requests
    assert request.path == "/?db=shop"
    assert request.headers["X-Key"] == "k"


def test_one_connection_is_kept(server: HTTPRecorder) -> None:
    """All batches use one connection."""
    chest = FlaskChestCustomWriter(server.url)
    for record in make_records(5):
        chest.write([record])
    assert len({request.connection for request in server.requests}) == 1


def test_idempotency_key(server: HTTPRecorder) -> None:
    """Equal batches have equal keys, and different batches have different keys."""
    chest, records = FlaskChestCustomWriter(server.url), make_records(2)
    for batch in (records, records, records[:1]):
        chest.write(batch)
    keys = [request.headers["Idempotency-Key"] for request in server.requests]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("status", "reachable"), [(405, True), (200, True), (401, False), (503, False)]
)
def test_check(server: HTTPRecorder, status: int, reachable: bool) -> None:
    """The check sends no records; an endpoint that does not know OPTIONS is reachable, too."""
    server.replies.append(Reply(status))
    chest = FlaskChestCustomWriter(server.url)
    if reachable:
        chest.check()
    else:
        with pytest.raises(DeliveryError, match=f"{status}.*see 'headers' and the endpoint's log"):
            chest.check()
    assert [(each.method, each.body) for each in server.requests] == [("OPTIONS", b"")]
    chest.close()


def test_endless_response(server: HTTPRecorder) -> None:
    """Only the beginning of a long response is read, and its connection is closed."""
    server.replies.append(Reply(500, body=b"x" * 50_000_000))
    chest = FlaskChestCustomWriter(server.url)
    with pytest.raises(DeliveryError) as caught:
        chest.write(make_records(1))
    assert len(str(caught.value)) < 2000
    chest.write(make_records(1))
    assert len({each.connection for each in server.requests}) == 2
    chest.close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 401, 403, 407, 301, 307, 204])
def test_temporary_errors(server: HTTPRecorder, status: int) -> None:
    """After overload, outages, wrong credentials and redirects the records wait."""
    server.replies.append(Reply(status, {"Location": "https://elsewhere.invalid/x"}, b""))
    with pytest.raises(DeliveryError):
        FlaskChestCustomWriter(server.url).write(make_records(1))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_rejections(server: HTTPRecorder, status: int) -> None:
    """Any other 4xx status rejects the batch."""
    server.replies.append(Reply(status))
    with pytest.raises(RejectedError) as caught:
        FlaskChestCustomWriter(server.url).write(make_records(2))
    assert caught.value.record_ids is None


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 1e9, 1e10),
        ("Fri, 31 Dec 2100 23:59:59 -0000", 1e9, 1e10),
        ("-1", 0, 0),
    ],
)
def test_retry_after(server: HTTPRecorder, value: str, least: float, most: float) -> None:
    """Retry-After may be a number or a date."""
    server.replies.append(Reply(503, {"Retry-After": value}))
    with pytest.raises(DeliveryError) as caught:
        FlaskChestCustomWriter(server.url).write(make_records(1))
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most


@pytest.mark.parametrize("value", ["soon", "inf", "nan", "1e999"])
def test_malformed_retry_after(server: HTTPRecorder, value: str) -> None:
    """A Retry-After that is neither a number nor a date is ignored."""
    server.replies.append(Reply(503, {"Retry-After": value}))
    with pytest.raises(DeliveryError) as caught:
        FlaskChestCustomWriter(server.url).write(make_records(1))
    assert caught.value.retry_after is None


def test_success_status_codes(server: HTTPRecorder) -> None:
    """A listed status is a success, and the error for an unlisted 2xx names the remedy."""
    server.replies.extend([Reply(418), Reply(202)])
    chest = FlaskChestCustomWriter(server.url, success_status_codes=[418])
    chest.write(make_records(1))
    with pytest.raises(DeliveryError, match="add 202 to 'success_status_codes'"):
        chest.write(make_records(1))


@pytest.mark.parametrize("result", [object(), float("nan"), {1, 2}, b"bytes"])
def test_generator_returns_no_json(server: HTTPRecorder, result: object) -> None:
    """If JSON cannot represent the payload, the batch is rejected and nothing is sent."""
    chest = FlaskChestCustomWriter(server.url, payload_generator=lambda _: result)
    with pytest.raises(RejectedError, match="JSON cannot represent"):
        chest.write(make_records(1))
    assert server.requests == []


def test_generator_raises(server: HTTPRecorder) -> None:
    """If the generator raises, the batch is rejected with the reason."""

    def generate(_: list[ContextTuple]) -> Any:
        return {}["missing"]  # type: ignore[index]

    chest = FlaskChestCustomWriter(server.url, payload_generator=generate)
    with pytest.raises(RejectedError, match="KeyError; the payload generator") as caught:
        chest.write(make_records(2))
    assert caught.value.record_ids is None


def test_redirect_gets_no_credentials(server: HTTPRecorder) -> None:
    """A redirect is not followed; the error names the new host."""
    with HTTPRecorder() as thief:
        server.replies.append(Reply(307, {"Location": thief.url}))
        chest = FlaskChestCustomWriter(server.url, headers={"Authorization": "Bearer tok-123"})
        with pytest.raises(DeliveryError, match=rf"127\.0\.0\.1:{thief.port}"):
            chest.write(make_records(1))
        assert thief.requests == []


def test_private_ca(tmp_path: Path) -> None:
    """A certificate is refused if its CA is unknown or if it is for another host."""
    ours, other = PrivateCA(tmp_path), PrivateCA(_folder(tmp_path / "other"))
    with HTTPRecorder(ours.server_context("127.0.0.1")) as server:
        make_chest({"url": server.url, "verify": str(ours.file)}).write(make_records(1))
        for spec in (server.url, {"url": server.url, "verify": str(other.file)}):
            with pytest.raises(DeliveryError, match="the file of the CA"):
                make_chest(spec).write(make_records(1))
        assert len(server.requests) == 1
    with (
        HTTPRecorder(ours.server_context("other.example")) as server,
        pytest.raises(DeliveryError, match="certificate"),
    ):
        make_chest({"url": server.url, "verify": str(ours.file)}).write(make_records(1))


@pytest.mark.parametrize("spec", ["otlp+https://{}?verify=true", "otlp+https://{}"])
def test_verify_true_in_a_url(tmp_path: Path, spec: str) -> None:
    """``verify=true`` in a URL checks the certificate as usual; it is not the name of a file."""
    ours = PrivateCA(tmp_path)
    with HTTPRecorder(ours.server_context("127.0.0.1")) as server:
        address = server.url.removeprefix("https://").rstrip("/")
        with pytest.raises(DeliveryError, match="the file of the CA that signed"):
            make_chest(spec.format(address)).check()


@pytest.mark.parametrize("scheme", ["https", "otlp+https"])
def test_missing_ca_file(scheme: str) -> None:
    """The error names the chest, the file and the remedy."""
    chest = make_chest({"url": f"{scheme}://127.0.0.1:1", "verify": "/nowhere/ca.pem"})
    with pytest.raises(DeliveryError, match=r"chest '\w+' at .*/nowhere/ca\.pem; .*'verify'"):
        chest.check()


def test_unchecked_certificate_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """verify=False with https works and logs one warning."""
    context = PrivateCA(tmp_path).server_context("127.0.0.1")
    with HTTPRecorder(context) as server, caplog.at_level(logging.WARNING):
        chest = FlaskChestCustomWriter(server.url, verify=False)
        for record in make_records(3):
            chest.write([record])
        assert len(server.requests) == 3
    assert [record.message for record in caplog.records if "not checked" in record.message]
    assert len(caplog.records) == 1


def test_credentials_stay_out_of_errors() -> None:
    """An error shows neither path, query, credentials nor headers of the endpoint."""
    url = f"http://me:pass-word@127.0.0.1:{free_port()}/T000/path-secret?key=query-secret"
    chest = FlaskChestCustomWriter(
        url, headers={"X": "header-secret"}, params={"t": "param-secret"}
    )
    with pytest.raises(DeliveryError, match="check host and port") as caught:
        chest.write(make_records(1))
    for text in (str(caught.value), repr(chest)):
        assert "secret" not in text
        assert "pass-word" not in text


def test_answers_are_logged_for_debugging(
    server: HTTPRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint's own text is in the log at level DEBUG only, printable and without a token."""
    server.replies.append(Reply(400, body=b"bad token tok-123456 of \x1b[2Jalice@example.org"))
    chest = FlaskChestCustomWriter(server.url, headers={"X-Token": "tok-123456"})
    with (
        caplog.at_level(logging.DEBUG, "flask_chest"),
        pytest.raises(RejectedError, match=r": it answered 400 Bad Request$"),
    ):
        chest.write(make_records(1))
    [line] = [each for each in caplog.records if each.name == "flask_chest.chests"]
    assert line.levelno == logging.DEBUG
    assert "bad token *** of \N{REPLACEMENT CHARACTER}[2Jalice@example.org" in line.message


@pytest.mark.parametrize("arguments", [{}, {"url": "http://h", "host": "h"}, {"url": "ftp://h"}])
def test_wrong_address(arguments: dict[str, str]) -> None:
    """No address, two addresses or another scheme are reported at start-up."""
    with pytest.raises(ConfigError):
        FlaskChestCustomWriter(**arguments)  # type: ignore[arg-type]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
