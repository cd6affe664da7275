"""Who may speak to the panel's server: a check in front of everything that it serves."""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[\w.-]+)(:\d+)?", re.ASCII)


def new_token() -> str:
    """256 random bits, as text that an address can carry."""
    return secrets.token_urlsafe(32)


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine can reach an IP address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


class Access:
    """ASGI middleware for HTTP and WebSockets alike: pages, static files, NiceGUI's socket, the stream.

    A request from a foreign web page (``Origin`` is another than ``Host``) is always refused: any page that the
    operator's browser shows could otherwise drive the coils. So is, without a token, a ``Host`` that is none of
    ``names``: a foreign name that was made to point here (DNS rebinding). With a token nothing passes without its
    cookie, which the browser gets by opening ``/?token=…`` once; such a cookie is bound to the name under which it was
    set, so that names need no check there, and it is Lax: a link in a mail must lead into the panel. Answers forbid to
    be framed by others and to load anything from elsewhere.

    Args:
        app: what is guarded.
        token: None on loopback.
        names: host names under which the server may be called when there is no token.
        cookie: its name; browsers keep cookies of a host's several ports together, so each port needs its own.
    """

    def __init__(
        self, app, token: str | None = None, names: Collection[str] = LOOPBACK_NAMES, cookie: str = "microtwin-panel"
    ):
        self.app = app
        self.token = token
        self.names = frozenset(name.lower() for name in names)
        self.cookie = cookie

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] not in ("http", "websocket"):  # the server's own start and end
            await self.app(scope, receive, send)
            return
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        refused = self._foreign(headers)
        given = [value for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name == "token"]
        if not refused and self.token is not None:
            if given and scope["type"] == "http" and self._fits(given[-1]):
                await self._let_in(scope, send)
                return
            if not self._fits(self._shown(headers)):
                word = "a wrong token" if given else "no token"
                refused = f"this address came with {word}: open the one that microtwin panel printed, with ?token="
        if refused:
            await _refuse(scope, receive, send, refused)
        elif scope["type"] == "http":
            await self.app(scope, receive, _with(_shields(_only(headers, b"host") or ""), send))
        else:
            await self.app(scope, receive, send)

    def _foreign(self, headers) -> str | None:
        host = _only(headers, b"host")
        if host is None or not _HOST.fullmatch(host):
            return "the request names no host, or several: open the address that microtwin panel printed"
        name = _name(host)
        if self.token is None and name not in self.names:
            return f"this panel is not called {name[:80]!r}: open the address that microtwin panel printed"
        for header, origin in headers:
            if header == b"origin" and origin.partition("://")[2].lower() != host.lower():
                return f"a page of {origin[:80]!r} may not use this panel: open the panel itself"
        # A picture or frame on a foreign page asks without Origin; each page built for one costs a megabyte.
        sites = [value for header, value in headers if header == b"sec-fetch-site"]
        if set(sites) - {"same-origin", "none"} and _only(headers, b"sec-fetch-dest") != "document":
            return "another page may not use this panel: open the panel itself"
        return None

    def _shown(self, headers) -> str:
        for header, value in headers:
            for crumb in value.split(";") if header == b"cookie" else ():
                name, _, given = crumb.strip().partition("=")
                if name == self.cookie:
                    return given
        return ""

    def _fits(self, given: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(given.encode(), self.token.encode())

    async def _let_in(self, scope, send) -> None:
        """The token goes from the address into a cookie, so that nobody reads it off the screen or the history."""
        kept = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1"), True) if pair[0] != "token"]
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        clean = "/" + path.lstrip("/\\") + ("?" + urlencode(kept) if kept else "")  # never //host, another's address
        headers = [
            (b"location", clean.encode("latin-1")),
            (b"set-cookie", f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Lax".encode()),
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"no-referrer"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _name(host: str) -> str:
    """``localhost`` of ``localhost:8080``, ``::1`` of ``[::1]:8080``."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _only(headers, name: bytes) -> str | None:
    found = [value for header, value in headers if header == name]
    return found[0] if len(found) == 1 else None


async def _refuse(scope, receive, send, words: str) -> None:
    body = f"microtwin panel: {words}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # the request to connect
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the server answers 403
            return
        kind = "websocket.http.response"
    await send({"type": f"{kind}.start", "status": 403, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def _shields(host: str) -> list[tuple[bytes, bytes]]:
    # Vue compiles templates in the page, which needs eval; not every browser counts ws: as 'self'.
    policy = (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
        f"connect-src 'self' ws://{host} wss://{host} data: blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )
    return [
        (b"content-security-policy", policy.encode("latin-1")),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"referrer-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
    ]


def _with(shields, send):
    async def more(message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *shields]}
        await send(message)

    return more
