"""A panel that is open to the network, in a real browser: nobody comes in without the token that it printed."""

from urllib.parse import urlsplit


def test_a_wrong_token_is_refused_and_the_printed_one_let_in(panel, chromium, visit):
    asked = urlsplit(panel.url)
    here = f"http://127.0.0.1:{asked.port}/"
    page = chromium.new_context().new_page()
    for address in (here, f"{here}?token=wrong", f"{here}otmr", f"{here}?token="):
        answer = page.goto(address)
        assert answer.status == 403
        assert "token" in page.inner_text("body")
    refused = page.evaluate(
        "url => new Promise(done => { const socket = new WebSocket(url);"
        " socket.onopen = () => done(false); socket.onerror = () => done(true) })",
        f"ws://127.0.0.1:{asked.port}/stream?client=x",
    )
    assert refused
    page.context.close()
    window = visit(f"{here}?{asked.query}")
    window.until("h.state == 'watching'")
    assert "token" not in window.page.url
