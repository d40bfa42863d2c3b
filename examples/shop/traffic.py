"""Invented visits of customers, staff and a bot, made over real HTTP."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from queue import SimpleQueue
from typing import Any

import requests

from .account import CUSTOMERS, PASSWORD, STAFF
from .billing import BROKEN, COUPONS, DECLINED
from .products import KINDS, WOODS
from .tenants import STOREFRONTS

ACCEPTED = "4242424242424242"


#: The cards that a buyer tries one after another.
CARDS = (
    *((ACCEPTED,), (ACCEPTED,), (ACCEPTED,), (ACCEPTED,)),
    *((DECLINED, ACCEPTED), (DECLINED, ACCEPTED), (DECLINED,), (BROKEN, ACCEPTED)),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of a journey."""

    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    leave_after: int | None = None  # Disconnect after reading this many bytes of the body.


@dataclass(frozen=True, slots=True)
class Answer:
    """The response; ``status`` is ``None`` if there was none."""

    ask: Ask
    status: int | None
    json: dict[str, Any] = field(default_factory=dict)


Journey = Generator[Ask, Answer, None]


class Tally:
    """Counts the responses."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.unanswered = 0

    @property
    def answered(self) -> int:
        return self.statuses.total()

    def add(self, answer: Answer) -> None:
        if answer.status is None:
            self.unanswered += 1
        else:
            self.statuses[answer.status] += 1


def drive(url: str, *, count: int, sessions: int = 4, seed: int = 1) -> Iterator[Answer]:
    """Send requests in concurrent sessions and yield each response as it arrives.

    :param count: the number of requests in total.
    :param seed: the same seed gives the same requests.
    """
    answers: SimpleQueue[Answer | None] = SimpleQueue()

    def run(number: int) -> None:
        share = count // sessions + (number < count % sessions)
        try:
            for answer in islice(visit(url, random.Random(f"{seed}/{number}")), share):
                answers.put(answer)
        finally:
            answers.put(None)

    with ThreadPoolExecutor(sessions) as pool:
        runs = [pool.submit(run, number) for number in range(sessions)]
        for _ in runs:
            yield from iter(answers.get, None)
        for run_ in runs:
            run_.result()


def visit(url: str, dice: random.Random) -> Iterator[Answer]:
    """Make one journey after another, each with a new session."""
    while True:
        (journey,) = dice.choices(list(JOURNEYS), weights=list(JOURNEYS.values()))
        with requests.Session() as session:
            session.trust_env = False  # Never use a proxy for loopback.
            session.headers["Host"] = dice.choice([*STOREFRONTS, "www.shop.test"])
            yield from walk(journey(dice), url, session)


def walk(journey: Journey, url: str, session: requests.Session) -> Iterator[Answer]:
    ask = next(journey, None)
    while ask is not None:
        answer = make(ask, url, session)
        yield answer
        try:
            ask = journey.send(answer)
        except StopIteration:
            return


def make(ask: Ask, url: str, session: requests.Session) -> Answer:
    try:
        with session.request(
            ask.method,
            url + ask.path,
            params=ask.params,
            data=ask.form,
            allow_redirects=False,
            stream=True,
            timeout=30,
        ) as response:
            if ask.leave_after is not None:
                next(response.iter_content(ask.leave_after), b"")
                return Answer(ask, response.status_code)
            body = response.content
            is_json = response.headers.get("Content-Type") == "application/json"
            return Answer(ask, response.status_code, json.loads(body) if is_json else {})
    except requests.RequestException:
        return Answer(ask, None)


def look_around(dice: random.Random) -> Journey:
    yield Ask("GET", "/")
    yield Ask("GET", "/products", {"page": dice.choice((1, 1, 2, 3, 4, 5))})
    for _ in range(dice.randint(1, 5)):
        yield Ask("GET", f"/products/{choose_sku(dice)}")


def look_for_something(dice: random.Random) -> Journey:
    for _ in range(dice.randint(1, 3)):
        term = dice.choice((*KINDS, *WOODS, "wardrobe", ""))
        yield Ask("GET", "/search", {"q": term})
    yield Ask("GET", f"/products/{choose_sku(dice)}")


def buy(dice: random.Random) -> Journey:
    yield Ask("GET", "/")
    yield from log_in(dice.choice(list(CUSTOMERS)), dice)
    for _ in range(dice.randint(1, 4)):
        sku = choose_sku(dice)
        yield Ask("GET", f"/products/{sku}")
        yield Ask("POST", "/cart/items", form={"sku": sku, "count": dice.choice((1, 1, 2, 5))})
    yield Ask("GET", "/cart")
    coupon = dice.choice(("", "", *COUPONS))
    for card in dice.choice(CARDS):
        yield Ask("POST", "/checkout", form={"card": card, "coupon": coupon})
    yield Ask("POST", "/logout")


def look_after_the_shop(dice: random.Random) -> Journey:
    yield from log_in(next(iter(STAFF)), dice)
    yield Ask("GET", "/admin/sales", {"days": dice.choice((7, 30, 90, 365))})
    leave_after = dice.choice((None, 512))
    yield Ask("GET", "/admin/orders.csv", leave_after=leave_after)


def probe(dice: random.Random) -> Journey:
    """A bot that looks for vulnerable pages."""
    yield Ask("GET", dice.choice(("/wp-login.php", "/.env", "/phpmyadmin/")))
    yield Ask("GET", "/checkout")
    yield Ask("GET", "/admin/sales")
    yield Ask("HEAD", "/")


def log_in(email: str, dice: random.Random) -> Journey:
    if dice.random() < 0.2:
        yield Ask("POST", "/login", form={"email": email, "password": "open barley"})
    yield Ask("POST", "/login", form={"email": email, "password": PASSWORD})
    yield Ask("GET", "/account")


def choose_sku(dice: random.Random) -> str:
    """Choose a popular product; sometimes the one without a weight, or one that does not exist."""
    return f"C{min(int(dice.paretovariate(0.7)), 50):03}"


JOURNEYS = {look_around: 8, look_for_something: 6, buy: 6, look_after_the_shop: 1, probe: 1}
