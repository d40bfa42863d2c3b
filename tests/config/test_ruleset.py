"""Which routes rules select, how rules add up, and which rule wins."""

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
from flask_chest.config.plan_compiler import Plan, compile_plan
from flask_chest.config.rule_matching import Route, Rule
from flask_chest.config.ruleset import RuleSet
from flask_chest.config.settings_validation import read_settings
from flask_chest.testing import capture_records

from ..apps import make_app

NAMES = ("a", "b", "c", "d")


def answer(**_: object) -> str:
    """A view that puts all names on ``g``."""
    for name in NAMES:
        setattr(g, name, name.upper())
    return "ok"


def make_shop(**config: Any) -> Flask:
    """Make an app with routes, a blueprint, and a blueprint within the blueprint."""
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
    """Send one request and return its record."""
    with capture_records(app) as records:
        app.test_client().open(path, method=method)
    [found] = records
    return found


def tracked(app: Flask, path: str, method: str = "GET") -> list[str]:
    return list(record(app, path, method).vars)


def test_tracks_add_up_from_general_to_specific() -> None:
    """Variables of the app, a blueprint, a glob and an exact rule are recorded, in this order."""
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
    """A repeated name keeps its first position."""
    rules = [{"rule": "/", "track": ["b", "a"]}, {"rule": "/*", "track": ["a"]}]
    assert tracked(make_shop(CHEST_RULES=rules), "/") == ["a", "b"]


def test_none_tracks_all_of_g() -> None:
    """``None`` adds all of ``g``, in a rule and as the app's default."""
    assert tracked(make_shop(CHEST_TRACKED_VARS=None), "/") == list(NAMES)
    rules = [{"rule": "/", "track": None}]
    assert tracked(make_shop(CHEST_RULES=rules), "/") == list(NAMES)


@pytest.mark.parametrize("general", [None, ["a", "b"]])
def test_an_empty_list_clears(general: list[str] | None) -> None:
    """``[]`` drops the variables of more general rules; more specific rules still add theirs."""
    rules = [
        {"rule": "/api/*", "track": []},
        {"rule": "/api/users", "track": ["c"]},
    ]
    app = make_shop(CHEST_TRACKED_VARS=general, CHEST_RULES=rules)
    assert tracked(app, "/api/users/7") == []
    assert tracked(app, "/api/users") == ["c"]
    assert tracked(app, "/") == ["a", "b", *(() if general else ("c", "d"))]


def test_variables_by_method() -> None:
    """A dict sets variables by method, and does not affect methods that it does not name."""
    rules = [{"rule": "/api/users", "track": {"POST": ["b"]}}]
    app = make_shop(CHEST_TRACKED_VARS=["a"], CHEST_RULES=rules)
    assert tracked(app, "/api/users", "POST") == ["a", "b"]
    assert tracked(app, "/api/users", "GET") == ["a"]


def test_a_star_stands_for_every_method() -> None:
    """``*`` adds to the list of each method; alone and empty it clears all other methods."""
    app = make_shop(CHEST_TRACKED_VARS={"*": ["a"], "POST": ["b"]})
    assert tracked(app, "/api/users", "GET") == ["a"]
    assert tracked(app, "/api/users", "POST") == ["a", "b"]
    app = make_shop(
        CHEST_TRACKED_VARS=["a"], CHEST_RULES=[{"rule": "/*", "track": {"*": [], "POST": ["b"]}}]
    )
    assert tracked(app, "/api/users", "GET") == []
    assert tracked(app, "/api/users", "POST") == ["a", "b"]


def test_head_is_like_get() -> None:
    """Variables and rules for GET also apply to HEAD, unless HEAD is named."""
    app = make_shop(
        CHEST_TRACKED_VARS={"GET": ["a"]},
        CHEST_RULES=[{"rule": "/", "methods": ["GET"], "track": ["b"]}],
    )
    assert tracked(app, "/", "HEAD") == ["a", "b"]
    assert tracked(make_shop(CHEST_TRACKED_VARS={"GET": ["a"], "HEAD": ["b"]}), "/", "HEAD") == [
        "b"
    ]


def test_methods_select() -> None:
    """A rule for POST does not affect GET, and methods may be in lower case."""
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
    """Selectors match URL rule, endpoint and blueprint, exactly or by glob, and all must match."""
    app = make_shop(CHEST_RULES=[{**selector, "track": ["a"]}])
    every = ("/", "/api/users", "/api/users/7", "/api/[odd]", "/shop/", "/shop/admin/")
    assert {path for path in every if tracked(app, path)} == paths


def plan_of(app: Flask, path: str, method: str = "GET") -> Plan:
    """Return the plan of a request."""
    adapter = app.url_map.bind("localhost")
    rule, _ = adapter.match(path, method=method, return_rule=True)
    plan: Plan = get_state(app).plans.show(Route(rule.rule, rule.endpoint, method))
    return plan


def test_options_come_from_the_most_specific_rule() -> None:
    """For ``sample``, ``record`` and ``chests`` the most specific rule wins."""
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
    admin, shop, home = (plan_of(app, path) for path in ("/shop/admin/", "/shop/", "/"))
    assert (admin.sample, admin.record, admin.mask) == (0.1, True, 0b10)
    assert (shop.sample, shop.record, shop.mask) == (0.2, False, 0b10)
    assert (home.sample, home.record, home.mask) == (0.4, True, 0b11)
    assert plan_of(app, "/api/users", "POST").sample == 0.9


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
    """The longer pattern wins; of equally specific rules the later one wins."""
    rules = [{**stronger, "sample": 0.2}, {**weaker, "sample": 0.1}]
    if weaker == stronger:
        rules.reverse()
    assert plan_of(make_shop(CHEST_RULES=rules), "/api/users").sample == 0.2


def test_an_inner_blueprint_is_more_specific_than_its_outer() -> None:
    """A rule for ``shop.admin`` wins over a rule for ``shop``, in any order."""
    options = {"shop.admin": {"sample": 0.1}, "shop": {"sample": 0.2}}
    app = make_shop(CHEST_BLUEPRINTS=options)
    assert plan_of(app, "/shop/admin/").sample == 0.1
    assert plan_of(app, "/shop/").sample == 0.2


def test_blueprint_options_and_methods() -> None:
    """``CHEST_BLUEPRINTS`` accepts a list, lists by method, or a rule's options."""
    assert tracked(make_shop(CHEST_BLUEPRINTS={"shop": ["a"]}), "/shop/admin/") == ["a"]
    by_method = make_shop(CHEST_BLUEPRINTS={"shop": {"POST": ["b"]}})
    assert tracked(by_method, "/shop/", "POST") == ["b"]
    assert tracked(by_method, "/shop/") == []
    options = {"shop": {"methods": ["POST"], "track": ["c"]}}
    assert tracked(make_shop(CHEST_BLUEPRINTS=options), "/shop/", "POST") == ["c"]


def test_record_false_leaves_no_record() -> None:
    """``record: False`` keeps no records of its route and does not affect others."""
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
    """404 and 405 follow the app's defaults and the rules that select by method only."""
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
    """Rules also apply to routes that the app adds later."""
    app = make_shop(CHEST_RULES=[{"rule": "/late*", "track": ["a"]}])
    app.add_url_rule("/late", "late", answer)
    assert tracked(app, "/late") == ["a"]
    assert tracked(app, "/") == []


def test_unmatched_rules_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first request logs each rule that matches no route; later requests log nothing."""
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
    """An endpoint may be the name of a CLI command; such a rule is not reported as unmatched."""
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
    [record] = records
    assert (record.endpoint, list(record.vars)) == ("import-data", ["a", "process.exit.code"])


def test_a_log_is_not_flooded_with_unmatched_rules(caplog: pytest.LogCaptureFixture) -> None:
    """Ten unmatched rules are logged one by one, and the others only counted."""
    app = make_shop(CHEST_RULES=[{"rule": f"/{n}", "track": []} for n in range(1000)])
    app.test_client().get("/")
    assert len(caplog.records) == 11
    assert "990 more rules match no route; see: flask chest rules" in caplog.text


@pytest.mark.parametrize("early", [True, False], ids=["before init_app", "after init_app"])
@pytest.mark.parametrize("by_name", [True, False], ids=["by name", "by blueprint"])
def test_track(early: bool, by_name: bool) -> None:
    """``track()`` adds to the variables of a blueprint's routes, before or after ``init_app()``."""
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
    assert plan_of(app, "/shop/").names == ("a", "c")
    assert plan_of(app, "/shop/").sample == 0.5


def test_track_after_the_first_request() -> None:
    """A later call applies from the next request on."""
    app = make_shop()
    assert tracked(app, "/shop/") == []
    app.extensions["chest"].track("shop", ["a"])
    assert tracked(app, "/shop/") == ["a"]


def test_track_with_options_only() -> None:
    """Without variables, ``track()`` keeps those of other rules."""
    app = make_shop(CHEST_TRACKED_VARS=["a"])
    app.extensions["chest"].track("shop", sample=0.5)
    assert plan_of(app, "/shop/").names == ("a",)
    assert plan_of(app, "/shop/").sample == 0.5


def test_track_finds_a_blueprint_wherever_it_is_registered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A blueprint object is found within another blueprint or under another name."""
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


def test_track_of_an_unregistered_blueprint(caplog: pytest.LogCaptureFixture) -> None:
    """A blueprint that no app has registered is reported as an unmatched rule."""
    app = make_shop()
    app.extensions["chest"].track(Blueprint("lost", __name__), ["a"])
    app.test_client().get("/")
    assert "track('lost') matches no route of the app: blueprint 'lost'" in caplog.text


def test_the_decorator_overrides_all_rules() -> None:
    """The variables of a view's decorator replace those of all rules."""
    app = make_shop(CHEST_TRACKED_VARS=["a"], CHEST_RULES=[{"rule": "/own", "track": ["b"]}])
    app.add_url_rule("/own", "own", flask_chest(tracked_vars=["d"])(answer))
    assert tracked(app, "/own") == ["d"]
    assert plan_of(app, "/own").sources == ("CHEST_RULES[0]", "@flask_chest")


def compiled(count: int) -> tuple[RuleSet, list[Route]]:
    rules = RuleSet(read_settings({}).tracked_vars, 1.0, ["memory"])
    for number in range(count):
        rules.add({"rule": f"/r{number}", "track": [f"v{number}"]}, f"CHEST_RULES[{number}]")
    return rules, [Route(f"/r{number}", f"e{number}", "GET") for number in range(count)]


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[Rule]:
    """Count how often each rule is matched against a route."""
    found: list[Rule] = []
    real = Rule.matches

    def matches(rule: Rule, route: Route) -> bool:
        found.append(rule)
        return real(rule, route)

    monkeypatch.setattr(Rule, "matches", matches)
    return found


def test_ten_thousand_rules_and_routes(attempts: list[Rule]) -> None:
    """Rules are looked up by name: of 10,000 rules one is tried for each route."""
    rules, routes = compiled(10_000)
    assert rules.unmatched(routes) == []
    plans = [compile_plan(rules, route) for route in routes]
    assert len(attempts) == 2 * 10_000
    assert plans[1234].named == {"v1234"}
    assert plans[9999].sources == ("CHEST_RULES[9999]",)


def test_ten_thousand_globs(attempts: list[Rule]) -> None:
    """Globs are tried one by one, once for each route."""
    rules = RuleSet((), 1.0, ["memory"])
    for number in range(10_000):
        rules.add({"rule": f"/r{number}/*", "track": [f"v{number}"]}, f"CHEST_RULES[{number}]")
    assert compile_plan(rules, Route("/r77/x", "e", "GET")).names == ("v77",)
    assert compile_plan(rules, Route("/r78/x", "e", "GET")).names == ("v78",)
    assert len(attempts) == 2 * 10_000
