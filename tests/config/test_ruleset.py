"""What rules select, how they add up, and which of them wins."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Blueprint, Flask, g
from flask.cli import AppGroup
from flask.typing import ResponseReturnValue

from flask_chest import FlaskChest, Record, flask_chest
from flask_chest.app.state import get_state
from flask_chest.chests.memory import MemoryChest
from flask_chest.config.plan import Plan
from flask_chest.config.rule import Route, Rule
from flask_chest.config.ruleset import RuleSet
from flask_chest.config.settings import read_settings
from flask_chest.testing import capture_records

from ..apps import make_app

NAMES = ("a", "b", "c", "d")


def answer(**_: object) -> str:
    """A view that puts all names on g."""
    for name in NAMES:
        setattr(g, name, name.upper())
    return "ok"


def make_shop(**config: Any) -> Flask:
    """A shop: routes of the app, of a blueprint, and of a blueprint within it."""
    given = {"CHEST_CHESTS": ["memory://"], "CHEST_BUFFER": "none", "CHEST_TRACKED_VARS": []}
    app = make_app(**{**given, **config})
    methods = ["GET", "POST"]
    app.add_url_rule("/", "home", answer)
    app.add_url_rule("/api/users", "users", answer, methods=methods)
    app.add_url_rule("/api/users/<int:user>", "user", answer, methods=methods)
    app.add_url_rule("/api/[odd]", "odd", answer)
    shop = Blueprint("shop", __name__, url_prefix="/shop")
    shop.add_url_rule("/", "index", answer, methods=methods)
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.add_url_rule("/", "index", answer)
    shop.register_blueprint(admin)
    app.register_blueprint(shop)
    return app


def record(app: Flask, path: str, method: str = "GET") -> Record:
    """The record of one request."""
    with capture_records(app) as records:
        app.test_client().open(path, method=method)
    [found] = records
    return found


def tracked(app: Flask, path: str, method: str = "GET") -> list[str]:
    return list(record(app, path, method).vars)


def test_tracks_add_up_from_general_to_specific() -> None:
    """Variables of the app, a blueprint, a glob and an exact rule are all recorded, in turn."""
    app = make_shop(
        CHEST_TRACKED_VARS=["a"],
        CHEST_RULES=[
            {"rule": "/shop/", "track": ["d"]},
            {"endpoint": "shop.*", "track": ["c"]},
        ],
        CHEST_BLUEPRINTS={"shop": ["b"]},
    )
    assert tracked(app, "/shop/") == ["a", "b", "c", "d"]
    assert tracked(app, "/") == ["a"]


def test_a_name_tracked_twice_is_recorded_once() -> None:
    """The union keeps the first place of each name."""
    rules = [{"rule": "/", "track": ["b", "a"]}, {"rule": "/*", "track": ["a"]}]
    assert tracked(make_shop(CHEST_RULES=rules), "/") == ["a", "b"]


def test_none_tracks_all_of_g() -> None:
    """``None`` in a rule adds everything, in the app's default too."""
    assert tracked(make_shop(CHEST_TRACKED_VARS=None), "/") == list(NAMES)
    rules = [{"rule": "/", "track": None}]
    assert tracked(make_shop(CHEST_RULES=rules), "/") == list(NAMES)


@pytest.mark.parametrize("general", [None, ["a", "b"]])
def test_an_empty_list_clears(general: list[str] | None) -> None:
    """``[]`` drops what more general rules track, and a more specific rule adds to nothing."""
    rules = [
        {"rule": "/api/*", "track": []},
        {"rule": "/api/users", "track": ["c"]},
    ]
    app = make_shop(CHEST_TRACKED_VARS=general, CHEST_RULES=rules)
    assert tracked(app, "/api/users/7") == []
    assert tracked(app, "/api/users") == ["c"]
    assert tracked(app, "/") == ["a", "b", *(() if general else ("c", "d"))]


def test_variables_by_method() -> None:
    """A dict says what each method tracks; a method that it does not name is left as it was."""
    rules = [{"rule": "/api/users", "track": {"POST": ["b"]}}]
    app = make_shop(CHEST_TRACKED_VARS=["a"], CHEST_RULES=rules)
    assert tracked(app, "/api/users", "POST") == ["a", "b"]
    assert tracked(app, "/api/users", "GET") == ["a"]


def test_a_star_stands_for_every_method() -> None:
    """``*`` adds to every method's own list; alone and empty it clears for those not named."""
    app = make_shop(CHEST_TRACKED_VARS={"*": ["a"], "POST": ["b"]})
    assert tracked(app, "/api/users", "GET") == ["a"]
    assert tracked(app, "/api/users", "POST") == ["a", "b"]
    app = make_shop(
        CHEST_TRACKED_VARS=["a"], CHEST_RULES=[{"rule": "/*", "track": {"*": [], "POST": ["b"]}}]
    )
    assert tracked(app, "/api/users", "GET") == []
    assert tracked(app, "/api/users", "POST") == ["a", "b"]


def test_head_is_like_get() -> None:
    """What GET tracks and what selects GET holds for HEAD, unless HEAD is named itself."""
    app = make_shop(
        CHEST_TRACKED_VARS={"GET": ["a"]},
        CHEST_RULES=[{"rule": "/", "methods": ["GET"], "track": ["b"]}],
    )
    assert tracked(app, "/", "HEAD") == ["a", "b"]
    assert tracked(make_shop(CHEST_TRACKED_VARS={"GET": ["a"], "HEAD": ["b"]}), "/", "HEAD") == [
        "b"
    ]


def test_methods_select() -> None:
    """A rule for POST leaves GET alone, and methods may be written in small letters."""
    app = make_shop(CHEST_RULES=[{"rule": "/api/*", "methods": ["post"], "track": ["a"]}])
    assert tracked(app, "/api/users", "POST") == ["a"]
    assert tracked(app, "/api/users", "GET") == []


@pytest.mark.parametrize(
    ("selector", "paths"),
    [
        ({"rule": "/api/users/<int:user>"}, {"/api/users/7"}),
        ({"rule": "/api/users"}, {"/api/users"}),
        ({"rule": "/api/*"}, {"/api/users", "/api/users/7", "/api/[odd]"}),
        ({"rule": "/api/user?"}, {"/api/users"}),
        ({"rule": "/api/[odd]"}, {"/api/[odd]"}),
        ({"rule": "/api/[od*"}, {"/api/[odd]"}),
        (
            {"rule": "*"},
            {"/", "/api/users", "/api/users/7", "/api/[odd]", "/shop/", "/shop/admin/"},
        ),
        ({"endpoint": "user"}, {"/api/users/7"}),
        ({"endpoint": "user*"}, {"/api/users", "/api/users/7"}),
        ({"endpoint": "shop.admin.index"}, {"/shop/admin/"}),
        ({"endpoint": "*.index"}, {"/shop/", "/shop/admin/"}),
        ({"blueprint": "shop"}, {"/shop/", "/shop/admin/"}),
        ({"blueprint": "shop.admin"}, {"/shop/admin/"}),
        ({"blueprint": "*.admin"}, {"/shop/admin/"}),
        ({"blueprint": "shop", "rule": "/shop/"}, {"/shop/"}),
        ({"rule": "/api/*", "endpoint": "users"}, {"/api/users"}),
        ({"rule": "/API/*"}, set()),
        ({"rule": "/api/users/"}, set()),
        ({"endpoint": "admin.*"}, set()),
        ({"blueprint": "sho"}, set()),
    ],
)
def test_selectors(selector: dict[str, str], paths: set[str]) -> None:
    """A rule selects by URL rule, endpoint and blueprint, exactly or by glob, and all must fit."""
    app = make_shop(CHEST_RULES=[{**selector, "track": ["a"]}])
    every = ("/", "/api/users", "/api/users/7", "/api/[odd]", "/shop/", "/shop/admin/")
    assert {path for path in every if tracked(app, path)} == paths


def sample_of(app: Flask, path: str, method: str = "GET") -> Plan:
    """The plan of a request."""
    adapter = app.url_map.bind("localhost")
    rule, _ = adapter.match(path, method=method, return_rule=True)
    plan: Plan = get_state(app).plans.show(Route(rule.rule, rule.endpoint, method))
    return plan


def test_options_come_from_the_most_specific_rule() -> None:
    """App, blueprint, glob, exact: of ``sample``, ``record`` and ``chests`` the last one holds."""
    app = make_shop(
        CHEST_CHESTS=["memory://", {"url": "memory://", "name": "second"}],
        CHEST_SAMPLE_RATE=0.9,
        CHEST_RULES=[
            {"rule": "/shop/admin/", "sample": 0.1, "record": True},
            {"rule": "/shop/*", "sample": 0.2, "chests": ["second"]},
            {"blueprint": "shop", "sample": 0.3, "record": False, "chests": ["memory"]},
            {"methods": ["GET"], "sample": 0.4},
        ],
    )
    admin, shop, home = (sample_of(app, path) for path in ("/shop/admin/", "/shop/", "/"))
    assert (admin.sample, admin.record, admin.mask) == (0.1, True, 0b10)
    assert (shop.sample, shop.record, shop.mask) == (0.2, False, 0b10)
    assert (home.sample, home.record, home.mask) == (0.4, True, 0b11)
    assert sample_of(app, "/api/users", "POST").sample == 0.9


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ({"rule": "/api/*"}, {"rule": "/api/users*"}),
        ({"rule": "/api/users"}, {"rule": "/api/users", "methods": ["GET"]}),
        ({"rule": "/api/users"}, {"rule": "/api/users"}),
        ({"blueprint": "shop"}, {"endpoint": "*"}),
        ({"endpoint": "user*"}, {"endpoint": "users"}),
    ],
    ids=["longer", "methods", "later", "glob over blueprint", "exact over glob"],
)
def test_specificity(weaker: dict[str, Any], stronger: dict[str, Any]) -> None:
    """Of two rules the one that says more holds; of equals the later."""
    rules = [{**stronger, "sample": 0.2}, {**weaker, "sample": 0.1}]
    if weaker == stronger:
        rules.reverse()
    assert sample_of(make_shop(CHEST_RULES=rules), "/api/users").sample == 0.2


def test_an_inner_blueprint_is_more_specific_than_its_outer() -> None:
    """What ``shop.admin`` says stands above what ``shop`` says, in whatever order."""
    options = {"shop.admin": {"sample": 0.1}, "shop": {"sample": 0.2}}
    app = make_shop(CHEST_BLUEPRINTS=options)
    assert sample_of(app, "/shop/admin/").sample == 0.1
    assert sample_of(app, "/shop/").sample == 0.2


def test_blueprint_options_and_methods() -> None:
    """CHEST_BLUEPRINTS takes a list, lists by method, or a rule's options."""
    assert tracked(make_shop(CHEST_BLUEPRINTS={"shop": ["a"]}), "/shop/admin/") == ["a"]
    by_method = make_shop(CHEST_BLUEPRINTS={"shop": {"POST": ["b"]}})
    assert tracked(by_method, "/shop/", "POST") == ["b"]
    assert tracked(by_method, "/shop/") == []
    options = {"shop": {"methods": ["POST"], "track": ["c"]}}
    assert tracked(make_shop(CHEST_BLUEPRINTS=options), "/shop/", "POST") == ["c"]


def test_record_false_leaves_no_record() -> None:
    """A route that is not to be recorded leaves nothing, and the others do."""
    app = make_shop(CHEST_RULES=[{"rule": "/", "record": False}])
    with capture_records(app) as records:
        app.test_client().get("/")
        app.test_client().get("/shop/")
    assert [each.route for each in records] == ["/shop/"]


def test_chests_of_a_rule_get_its_records() -> None:
    """A record goes to the chests that its rule names, and to no others."""
    chests = [{"url": "memory://", "name": "one"}, {"url": "memory://", "name": "two"}]
    app = make_shop(CHEST_CHESTS=chests, CHEST_RULES=[{"rule": "/", "chests": ["two"]}])
    for path in ("/", "/shop/"):
        app.test_client().get(path)
    one, two = get_state(app).chests
    assert isinstance(one, MemoryChest)
    assert isinstance(two, MemoryChest)
    assert [each.route for each in one.records] == ["/shop/"]
    assert [each.route for each in two.records] == ["/", "/shop/"]


@pytest.mark.parametrize("method", ["GET", "POST", "PSOT"])
def test_a_request_without_a_route(method: str) -> None:
    """404 and 405 follow the app's own words and the rules that name methods only."""
    app = make_shop(
        CHEST_TRACKED_VARS=["a"],
        CHEST_RULES=[
            {"rule": "*", "track": ["b"]},
            {"endpoint": "*", "track": ["b"]},
            {"blueprint": "*", "track": ["b"]},
            {"methods": ["POST"], "track": ["c"]},
        ],
    )

    @app.errorhandler(404)
    def missing(error: Exception) -> ResponseReturnValue:
        return answer(), 404

    found = record(app, "/nowhere", method)
    assert list(found.vars) == (["a", "c"] if method == "POST" else ["a"])
    assert (found.route, found.endpoint, found.status) == (None, None, 404)
    assert record(app, "/shop/", "DELETE").status == 405


def test_routes_added_after_init_app_and_after_the_first_request() -> None:
    """A rule selects routes that come after it; plans are made when a route is first asked for."""
    app = make_shop(CHEST_RULES=[{"rule": "/late*", "track": ["a"]}])
    app.add_url_rule("/late", "late", answer)
    assert tracked(app, "/late") == ["a"]
    assert tracked(app, "/") == []


def test_unmatched_rules_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the first request, and never again, each rule that selects no route is logged."""
    rules = [
        {"rule": "/api/*", "track": ["a"]},
        {"rule": "/apo/*", "track": ["a"]},
        {"rule": "/api/users", "methods": ["DELETE"], "track": ["a"]},
        {"methods": ["GET"], "track": ["a"]},
        {"endpoint": "admin.*", "track": ["a"]},
    ]
    app = make_shop(CHEST_RULES=rules, CHEST_BLUEPRINTS={"shp": []})
    assert not caplog.records
    for _ in range(3):
        app.test_client().get("/")
    assert [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING] == [
        "CHEST_BLUEPRINTS['shp'] matches no route of the app: blueprint 'shp'",
        "CHEST_RULES[1] matches no route of the app: rule '/apo/*'",
        "CHEST_RULES[2] matches no route of the app: rule '/api/users', methods ('DELETE',)",
        "CHEST_RULES[4] matches no route of the app: endpoint 'admin.*'",
    ]


def test_rules_for_commands(caplog: pytest.LogCaptureFixture) -> None:
    """An endpoint may be a command's name, within its group, and then it is no rule without one."""
    rules = [{"endpoint": "import-data", "track": ["a"]}, {"endpoint": "stock *", "record": False}]
    app = make_shop(CHEST_RULES=rules)
    app.cli.command("import-data")(answer)
    stock = AppGroup("stock")
    stock.command("count")(answer)
    app.cli.add_command(stock)
    app.test_client().get("/")
    assert not caplog.records
    with capture_records(app) as records:
        for command in (["import-data"], ["stock", "count"]):
            assert app.test_cli_runner().invoke(args=command).exit_code == 0
    assert [(each.endpoint, list(each.vars)) for each in records] == [("import-data", ["a"])]


def test_a_log_is_not_flooded_with_unmatched_rules(caplog: pytest.LogCaptureFixture) -> None:
    """Of many rules without a route ten are named, and the number of the others."""
    app = make_shop(CHEST_RULES=[{"rule": f"/{n}", "track": []} for n in range(1000)])
    app.test_client().get("/")
    assert len(caplog.records) == 11
    assert "990 more rules match no route; see: flask chest rules" in caplog.text


@pytest.mark.parametrize("early", [True, False], ids=["before init_app", "after init_app"])
@pytest.mark.parametrize("by_name", [True, False], ids=["by name", "by blueprint"])
def test_track(early: bool, by_name: bool) -> None:
    """track() adds to what a blueprint's routes track, whenever it is called."""
    app = Flask(__name__)
    app.config.update(CHEST_CHESTS=["memory://"], CHEST_BUFFER="none", CHEST_TRACKED_VARS=["a"])
    shop = Blueprint("shop", __name__, url_prefix="/shop")
    shop.add_url_rule("/", "index", answer, methods=["GET", "POST"])
    chest = FlaskChest() if early else FlaskChest(app)
    chest.track("shop" if by_name else shop, {"POST": ["b"]})
    chest.track("shop" if by_name else shop, ["c"], methods=["GET"], sample=0.5)
    if early:
        chest.init_app(app)
    app.register_blueprint(shop)
    assert tracked(app, "/shop/", "POST") == ["a", "b"]
    assert sample_of(app, "/shop/").names == ("a", "c")
    assert sample_of(app, "/shop/").sample == 0.5


def test_track_after_the_first_request() -> None:
    """A later call holds from the next request on."""
    app = make_shop()
    assert tracked(app, "/shop/") == []
    app.extensions["chest"].track("shop", ["a"])
    assert tracked(app, "/shop/") == ["a"]


def test_track_with_options_only() -> None:
    """Without variables, track() leaves those that other rules track."""
    app = make_shop(CHEST_TRACKED_VARS=["a"])
    app.extensions["chest"].track("shop", sample=0.5)
    assert sample_of(app, "/shop/").names == ("a",)
    assert sample_of(app, "/shop/").sample == 0.5


def test_track_finds_a_blueprint_wherever_it_is_registered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A blueprint within another, or under another name, is known by the object."""
    app = Flask(__name__)
    app.config.update(CHEST_CHESTS=["memory://"], CHEST_BUFFER="none", CHEST_TRACKED_VARS=[])
    chest = FlaskChest(app)
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.add_url_rule("/", "index", answer)
    chest.track(admin, ["a"])
    shop = Blueprint("shop", __name__, url_prefix="/shop")
    shop.register_blueprint(admin)
    app.register_blueprint(shop)
    app.register_blueprint(admin, name="staff", url_prefix="/staff")
    assert tracked(app, "/shop/admin/") == ["a"]
    assert tracked(app, "/staff/") == ["a"]
    assert not caplog.records


def test_track_of_a_blueprint_that_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """A blueprint that no app has is reported like any rule without a route."""
    app = make_shop()
    app.extensions["chest"].track(Blueprint("lost", __name__), ["a"])
    app.test_client().get("/")
    assert "track('lost') matches no route of the app: blueprint 'lost'" in caplog.text


def test_the_decorator_stands_above_all_rules() -> None:
    """What a view's decorator tracks is all that is tracked for it."""
    app = make_shop(CHEST_TRACKED_VARS=["a"], CHEST_RULES=[{"rule": "/own", "track": ["b"]}])
    app.add_url_rule("/own", "own", flask_chest(tracked_vars=["d"])(answer))
    assert tracked(app, "/own") == ["d"]
    assert sample_of(app, "/own").sources == ("CHEST_RULES[0]", "@flask_chest")


def compiled(count: int) -> tuple[RuleSet, list[Route]]:
    rules = RuleSet(read_settings({}).tracked_vars, 1.0, ["memory"])
    for number in range(count):
        rules.add({"rule": f"/r{number}", "track": [f"v{number}"]}, f"CHEST_RULES[{number}]")
    return rules, [Route(f"/r{number}", f"e{number}", "GET") for number in range(count)]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Rule]:
    """The rules that were tried on a route, each as often as it was."""
    found: list[Rule] = []
    real = Rule.matches

    def matches(rule: Rule, route: Route) -> bool:
        found.append(rule)
        return real(rule, route)

    monkeypatch.setattr(Rule, "matches", matches)
    return found


def test_ten_thousand_rules_and_routes(tried: list[Rule]) -> None:
    """Rules are found by name: of 10,000 rules one is tried for each route."""
    rules, routes = compiled(10_000)
    assert rules.unmatched(routes) == []
    plans = [rules.plan(route) for route in routes]
    assert len(tried) == 2 * 10_000
    assert plans[1234].named == {"v1234"}
    assert plans[9999].sources == ("CHEST_RULES[9999]",)


def test_ten_thousand_globs(tried: list[Rule]) -> None:
    """Globs are tried one by one, once for each route."""
    rules = RuleSet((), 1.0, ["memory"])
    for number in range(10_000):
        rules.add({"rule": f"/r{number}/*", "track": [f"v{number}"]}, f"CHEST_RULES[{number}]")
    assert rules.plan(Route("/r77/x", "e", "GET")).names == ("v77",)
    assert rules.plan(Route("/r78/x", "e", "GET")).names == ("v78",)
    assert len(tried) == 2 * 10_000
