"""Who is let in to the panel, by HTTP and by WebSocket."""

import asyncio
from typing import Any, NamedTuple

import pytest

from microtwin.panel.server.access import Access, is_loopback, new_token

TOKEN = "a-b_c" * 8


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


async def inside(scope, receive, send) -> None:
    """What is guarded: every page, and every socket, says "inside"."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})
    else:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "inside"})


class Browser:
    """Asks, and keeps cookies."""

    def __init__(self, token: str | None = None, host: str = "127.0.0.1:8080", **options: Any):
        self.app = Access(inside, token, **options)
        self.host = host
        self.cookies: dict[str, str] = {}

    def ask(self, path: str = "/", kind: str = "http", reasons: bool = True, **headers: str) -> Answer:
        raw, _, query = path.partition("?")
        headers = {"host": self.host, **headers}
        if self.cookies:
            headers.setdefault("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        scope: dict[str, Any] = {"type": kind, "path": raw, "raw_path": raw.encode(), "query_string": query.encode()}
        scope["headers"] = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope["extensions"] = {"websocket.http.response": {}} if reasons else {}
        sent: list[dict[str, Any]] = []

        async def receive():
            return {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request"}

        async def send(message):
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        if sent[0]["type"] == "websocket.accept":
            return Answer(101, {}, sent[1]["text"])
        if sent[0]["type"] == "websocket.close":
            return Answer(403, {}, "")
        answer = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        if "set-cookie" in answer:
            name, _, value = answer["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
        return Answer(sent[0]["status"], answer, sent[1]["body"].decode())

    def hear(self, path: str = "/stream", reasons: bool = True, **headers: str) -> Answer:
        return self.ask(path, "websocket", reasons, **headers)


def known(token: str | None, **options: Any) -> Browser:
    """A browser that has the cookie."""
    browser = Browser(token, **options)
    browser.cookies["microtwin-panel"] = TOKEN
    return browser


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST", "127.0.0.1:9999"])
def test_on_loopback_this_machines_names_are_let_in(host):
    assert Browser(host=host).ask().text == "inside"
    assert Browser(host=host).hear().text == "inside"
    assert Browser(host=host).hear(origin=f"http://{host}").text == "inside"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::2]:8080", "", "a b"]
)
def test_on_loopback_a_foreign_name_that_points_here_is_refused(host):
    for answer in (Browser(host=host).ask(), Browser(host=host).hear()):
        assert answer.status == 403
        assert answer.text.startswith("microtwin panel: ") and answer.text.count("\n") == 1


def test_a_request_without_a_host_or_with_two_is_refused():
    for hosts in ([], [b"localhost", b"evil.example"]):
        sent = []

        async def send(message, sent=sent):
            sent.append(message)

        scope = {"type": "http", "headers": [(b"host", host) for host in hosts], "query_string": b""}
        asyncio.run(Access(inside)(scope, None, send))
        assert sent[0]["status"] == 403


def test_a_name_that_was_given_is_let_in():
    assert Browser(host="Rig-3.lab:8080", names={"rig-3.lab"}).ask().text == "inside"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:8081", "http://localhost:8080", "null", "", "127.0.0.1:8080"]
)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_page_from_elsewhere_may_neither_ask_nor_listen(origin, token):
    browser = known(token)
    for answer in (
        browser.ask(origin=origin),
        browser.hear(origin=origin),
        browser.hear("/_nicegui_ws/socket.io/", origin=origin),
    ):
        assert answer.status == 403 and "may not use this panel" in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_page_from_elsewhere_may_link_here_and_nothing_more(token, site):
    """Its pictures and frames ask without an Origin."""
    browser = known(token)
    for dest in ("image", "iframe", "empty", "script"):
        answer = browser.ask(sec_fetch_site=site, sec_fetch_dest=dest)
        assert answer.status == 403 and "may not use this panel" in answer.text
    assert browser.ask(sec_fetch_site=site, sec_fetch_dest="document").text == "inside"
    assert browser.ask(sec_fetch_site="same-origin", sec_fetch_dest="image").text == "inside"


@pytest.mark.parametrize("token", [None, TOKEN])
def test_the_panels_own_page_may(token):
    browser = known(token)
    assert browser.ask(origin="http://127.0.0.1:8080").text == "inside"
    assert browser.hear(origin="http://127.0.0.1:8080").text == "inside"


@pytest.mark.parametrize("path", ["/", "/_nicegui/static/a.js", "/nothing-here", "/?token=", "/?token=wrong"])
def test_without_the_token_nothing_is_served(path):
    answer = Browser(TOKEN).ask(path)
    assert answer.status == 403 and TOKEN not in answer.text
    assert answer.text.count("\n") == 1 and "token" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/stream", "/_nicegui_ws/socket.io/", "/stream?token=wrong", "/stream?token=" + TOKEN]
)
def test_without_its_cookie_no_websocket_is_opened(path):
    answer = Browser(TOKEN).hear(path)
    assert answer.status == 403 and "token" in answer.text


def test_a_websocket_is_refused_where_the_server_cannot_say_why():
    assert Browser(host="evil.example").hear(reasons=False).status == 403
    assert Browser(TOKEN).hear(reasons=False).status == 403


def test_the_token_becomes_a_cookie_and_leaves_the_address():
    browser = Browser(TOKEN, cookie="panel-8123")
    answer = browser.ask(f"/?a=1&token={TOKEN}&b=%26")
    assert answer.status == 303 and answer.headers["location"] == "/?a=1&b=%26"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"panel-8123={TOKEN};") and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert browser.ask(answer.headers["location"]).text == "inside"
    assert browser.ask("/_nicegui/static/a.js").text == "inside"
    assert browser.hear().text == "inside"


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "/%2F/evil.example"])
def test_the_way_back_never_leads_elsewhere(path):
    location = Browser(TOKEN).ask(f"{path}?token={TOKEN}").headers["location"]
    assert location.startswith("/") and location[1] not in "/\\"


@pytest.mark.parametrize("wrong", ["", "x", TOKEN + "x", TOKEN[:-1], "Ä€", TOKEN.upper()])
def test_a_wrong_cookie_is_refused(wrong):
    assert Browser(TOKEN).ask(cookie=f"other=1; microtwin-panel={wrong}").status == 403


def test_the_cookie_is_found_among_others_that_parse_badly():
    assert Browser(TOKEN).ask(cookie=f'a={{"b": 1}}; microtwin-panel={TOKEN}; c="').text == "inside"


def test_with_a_token_any_name_of_the_machine_will_do():
    assert known(TOKEN, host="rig.lab:8080").ask().text == "inside"


def test_answers_forbid_frames_and_what_comes_from_elsewhere():
    policy = Browser().ask().headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy and "default-src 'self'" in policy
    assert "http:" not in policy and "*" not in policy


def test_the_servers_own_start_and_end_pass():
    passed = []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    asyncio.run(Access(app, TOKEN)({"type": "lifespan"}, None, None))
    assert passed == ["lifespan"]


def test_tokens_are_long_and_new():
    assert len({new_token() for _ in range(100)}) == 100
    assert min(len(new_token()) for _ in range(100)) >= 40


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("10.0.0.3", False)],
)
def test_only_loopback_goes_without_a_token(address, expected):
    assert is_loopback(address) is expected
