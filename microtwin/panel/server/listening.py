"""The address on which the panel is served, taken before anything else is started."""

import errno
import socket

from microtwin.errors import InputError


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any that is free.

    Raises:
        InputError: no such host on this machine, no such port, or one that is taken or not allowed.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port is {port}: give one from 1024 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):  # the latter of a name longer than names may be
        raise InputError(f"host {host[:80]!r} is not known: give --host an address of this machine") from None
    # localhost is ::1 first on some machines, while people and scripts write 127.0.0.1
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    sock = socket.socket(family, kind, protocol)
    try:
        # Windows has a word for "mine alone"; elsewhere this means: even if connections of an ended server linger
        mine = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        sock.setsockopt(socket.SOL_SOCKET, mine, 1)
        sock.bind(address)
        sock.listen(128)  # before that, Linux lets another one bind to it too
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use: end what uses it, or give --port another number") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise InputError(f"host {host!r} is not this machine: give --host one of its addresses") from None
        reason = error.strerror or error
        raise InputError(f"cannot listen on {host} port {port} ({reason}): give another --host or --port") from None
    return sock


def address_of(sock: socket.socket, host: str) -> str:
    """How to write the address for people: the host as it was given, or this machine's name for one that means all."""
    port = sock.getsockname()[1]
    name = socket.gethostname() if host in ("", "0.0.0.0", "::") else host
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
