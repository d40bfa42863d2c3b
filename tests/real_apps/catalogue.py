"""The apps, the packages that they need, and the requests that are sent to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Visit:
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RealApp:
    """One app.

    :param module: the file in ``apps/`` that makes it.
    :param packages: the packages to install.
    :param visits: the requests, in their order.
    """

    module: str
    packages: Sequence[str]
    visits: Sequence[Visit]


def _get(*paths: str) -> list[Visit]:
    return [Visit("GET", path) for path in paths]


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _post(path: str, body: str, content_type: str = _FORM["Content-Type"]) -> Visit:
    return Visit("POST", path, body.encode(), {"Content-Type": content_type})


_HTTPBIN = RealApp(
    "httpbin",
    ["httpbin"],
    [
        *_get("/", "/get?a=1&b=%C3%A9", "/headers", "/ip", "/user-agent", "/html", "/json", "/xml"),
        *_get("/status/204", "/status/418", "/status/500", "/stream/5", "/bytes/64?seed=1"),
        *_get("/redirect/2", "/absolute-redirect/1", "/cookies/set?a=1", "/cookies", "/gzip"),
        *_get("/deflate", "/basic-auth/u/p", "/bearer", "/image/png", "/range/256", "/etag/x"),
        *_get("/stream-bytes/99?seed=2&chunk_size=10", "/drip?numbytes=5&duration=0", "/links/3"),
        *_get("/encoding/utf8", "/robots.txt", "/deny", "/nothing", "/uuid", "/delay/0"),
        _post("/post", "a=1&b=2"),
        _post("/post", '{"a": [1, null]}', "application/json"),
        Visit("PUT", "/put", b"x" * 5000),
        Visit("PATCH", "/patch", b"\x00\xff"),
        Visit("DELETE", "/delete"),
        Visit("HEAD", "/get"),
        Visit("OPTIONS", "/get"),
        Visit("POST", "/get"),
    ],
)
_APPBUILDER = RealApp(
    "appbuilder",
    ["flask-appbuilder", "Flask-SQLAlchemy"],
    [
        *_get("/", "/login/", "/contactview/list/", "/users/list/", "/api/v1/nothing", "/nothing"),
        _post("/login/", "username=ann&password=wrong"),
        _post("/login/", "username=ann&password=pw"),
        *_get("/", "/contactview/list/", "/contactview/add", "/users/list/", "/roles/list/"),
        _post("/contactview/add", "name=Bob"),
        *_get("/contactview/list/", "/contactview/show/1", "/contactview/show/99", "/logout/"),
        _post("/api/v1/security/login", '{"username": "ann"}', "application/json"),
        *_get("/static/appbuilder/css/ab.css", "/swagger/v1"),
    ],
)
_MICROBLOG = RealApp(
    "microblog",
    ["flask", "flask-sqlalchemy", "flask-login", "flask-wtf"],
    [
        *_get("/", "/auth/log-in?name=eve", "/auth/log-in", "/auth/log-in?name=ann", "/"),
        _post("/", "body=hello"),
        _post("/", "body="),
        *_get("/", "/export", "/breaks", "/nothing", "/static/none.css"),
        Visit("HEAD", "/export"),
        Visit("DELETE", "/"),
    ],
)
_S3 = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"}
_SQS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request",
    "Content-Type": "application/x-amz-json-1.0",
}
_MOTO = RealApp(
    "moto",
    ["moto[server]"],
    [
        Visit("PUT", "/bucket", headers=_S3),
        Visit("PUT", "/bucket/key", b"content" * 100, _S3),
        Visit("GET", "/bucket/key", headers=_S3),
        Visit("HEAD", "/bucket/key", headers=_S3),
        Visit("GET", "/bucket?list-type=2", headers=_S3),
        Visit("GET", "/bucket/missing", headers=_S3),
        Visit("GET", "/nobucket/key", headers=_S3),
        Visit("DELETE", "/bucket/key", headers=_S3),
        Visit("GET", "/", headers=_S3),
        Visit(
            "POST",
            "/",
            b'{"QueueName": "queue"}',
            {**_SQS, "X-Amz-Target": "AmazonSQS.CreateQueue"},
        ),
        Visit("POST", "/", b"{}", {**_SQS, "X-Amz-Target": "AmazonSQS.ListQueues"}),
        Visit(
            "POST", "/", b'{"QueueName": "x"}', {**_SQS, "X-Amz-Target": "AmazonSQS.GetQueueUrl"}
        ),
        *_get("/moto-api/", "/moto-api/data.json"),
        Visit("POST", "/moto-api/reset"),
    ],
)
_CALIBRE_WEB = RealApp(
    "calibre_web",
    ["calibreweb"],
    [
        *_get("/", "/login", "/basicconfig", "/opds", "/nothing", "/static/css/style.css"),
        *_get("/admin/dbconfig", "/robots.txt", "/me", "/tasks", "/stats", "/get_updater_status"),
        _post("/login", "username=admin&password=wrong"),
        Visit("GET", "/login", headers={"X-Script-Name": "/books"}),
    ],
)

APPS = (_HTTPBIN, _APPBUILDER, _MICROBLOG, _MOTO, _CALIBRE_WEB)
