"""The page that takes a code back, as people meet it: in Chromium, with everything that browsers add."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect
from support.code_on_phone import WRONG, validate
from support.running import running_proxy
from support.seed import ACCOUNT
from support.streams import stream_server
from support.wire import Message, ScriptedUpstream, json_answer, scripted_upstream

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NUMBER = "(415) 555-1212"
CONFIGURATION = f"""\
  profile: signalwire
  variables: {{space: acme}}
  validation: code_on_phone
accounts:
  {ACCOUNT}:
    token: ${{TOKEN}}
    upstream: {{account: project, password: "${{KEY}}"}}
"""
ITEM = b'{"id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "number": "+14155551212", "name": null}'
STARTED = json_answer(201, ITEM)
VERIFIED = json_answer(200, ITEM)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        await chromium.close()


class Visit:
    """Somebody who was called and has the page before them."""

    def __init__(self, page: Page, upstream: ScriptedUpstream, port: int) -> None:
        self.page = page
        self.upstream = upstream
        self.url = f"http://127.0.0.1:{port}/caller-id-code"
        self.number = page.get_by_label("Phone number")
        self.code = page.get_by_label("Six-digit code")

    async def confirm(self, code: str, number: str = NUMBER) -> None:
        await self.number.fill(number)
        await self.code.fill(code)
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name="Confirm").click()

    async def is_told(self, words: str) -> None:
        await expect(self.page.get_by_role("alert")).to_contain_text(words)

    async def is_thanked(self) -> None:
        await expect(self.page.get_by_role("status")).to_have_text(f"{NUMBER} is confirmed.")

    async def fits(self) -> bool:
        return bool(await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@asynccontextmanager
async def visit(browser: Browser, *answers: Message, **how: object) -> AsyncIterator[Visit]:
    """Place a call and open the page; nothing in it may break its own policy, or be from elsewhere."""
    asked: list[str] = []
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "the server responded with a status" not in message.text:
            complaints.append(message.text)

    async with (
        scripted_upstream(STARTED, *answers) as upstream,
        running_proxy(upstream.url, CONFIGURATION, {"TOKEN": "demo-token", "KEY": "key"}) as port,
        await browser.new_context(**how) as context,  # type: ignore[arg-type]
    ):
        assert (await validate(port)).status == 200
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        visitor = Visit(page, upstream, port)
        await page.goto(visitor.url)
        yield visitor
        assert complaints == []
        assert {url for url in asked if not url.startswith("data:")} == {visitor.url}


WAYS: dict[str, dict[str, object]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "smallest phone": {"viewport": {"width": 320, "height": 568}},
    "dark": {"color_scheme": "dark"},
    "without JavaScript": {"java_script_enabled": False},
}


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
async def test_a_code_is_typed(browser: Browser, how: dict[str, object]) -> None:
    async with visit(browser, WRONG, VERIFIED, **how) as visitor:
        assert await visitor.fits()
        await visitor.confirm("111111")
        await visitor.is_told("Wrong code.")
        assert await visitor.fits()
        await expect(visitor.number).to_have_value(NUMBER)
        await expect(visitor.code).to_have_value("")
        await expect(visitor.code).to_have_accessible_description("Wrong code.")
        await visitor.confirm("012 345")
        await visitor.is_thanked()
        assert await visitor.fits()
        assert [each.body for each in visitor.upstream.received[1:]] == [
            b'{"verification_code":"111111"}',
            b'{"verification_code":"012345"}',
        ]


async def test_with_the_keyboard_alone(browser: Browser) -> None:
    async with visit(browser, WRONG, VERIFIED) as visitor:
        keyboard = visitor.page.keyboard
        await expect(visitor.number).to_be_focused()
        await keyboard.type(NUMBER)
        await keyboard.press("Tab")
        await keyboard.type("111111")
        async with visitor.page.expect_navigation():
            await keyboard.press("Enter")
        await visitor.is_told("Wrong code.")
        await expect(visitor.code).to_be_focused()
        await keyboard.type("012345")
        await keyboard.press("Tab")
        async with visitor.page.expect_navigation():
            await keyboard.press("Enter")
        await visitor.is_thanked()
        assert visitor.upstream.hits("PUT") == 2


async def test_the_browser_knows_what_the_fields_are(browser: Browser) -> None:
    async with visit(browser) as visitor:
        await expect(visitor.page).to_have_title("Confirm a phone number")
        await expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
        await expect(visitor.number).to_have_attribute("autocomplete", "tel")
        await expect(visitor.code).to_have_attribute("autocomplete", "one-time-code")
        await expect(visitor.code).to_have_attribute("inputmode", "numeric")


@pytest.mark.parametrize("code", ["12345", "1234567", "12345x", ""])
async def test_the_browser_sends_no_code_that_is_none(browser: Browser, code: str) -> None:
    async with visit(browser) as visitor:
        await visitor.number.fill(NUMBER)
        await visitor.code.fill(code)
        await visitor.page.get_by_role("button").click()
        assert await visitor.code.evaluate("field => field.matches(':invalid:focus')")
        assert len(visitor.upstream.received) == 1


@pytest.mark.parametrize(
    ("number", "words", "is_code"),
    [
        ("415-555-9999", "Wrong code.", True),
        ("hello", "This is not a phone number", False),
    ],
)
async def test_a_number_that_nobody_called(browser: Browser, number: str, words: str, is_code: bool) -> None:
    async with visit(browser) as visitor:
        await visitor.confirm("012345", number)
        await visitor.is_told(words)
        await expect(visitor.number).to_have_value(number)
        await expect(visitor.code if is_code else visitor.number).to_be_focused()
        assert len(visitor.upstream.received) == 1


async def test_somebody_who_guesses_is_told_to_wait(browser: Browser) -> None:
    async with visit(browser, *[WRONG] * 5) as visitor:
        for tried in range(20):
            await visitor.confirm(f"{tried:06}")
        await visitor.is_told("Wrong code.")
        await visitor.confirm("000020")
        await visitor.is_told("Too many tries. Wait ten minutes")
        assert visitor.upstream.hits("PUT") == 5


async def test_an_upstream_in_trouble_is_no_fault_of_theirs(browser: Browser) -> None:
    async with visit(browser, json_answer(500, b"{}")) as visitor:
        await visitor.confirm("012345")
        await visitor.is_told("Try again in a minute.")
        assert await visitor.code.get_attribute("aria-invalid") is None


async def test_what_is_typed_is_never_markup(browser: Browser) -> None:
    async with visit(browser) as visitor:
        number = '"><script>alert(1)</script>'
        await visitor.confirm("012345", number)
        await expect(visitor.number).to_have_value(number)
        assert await visitor.page.locator("script").count() == 0


@asynccontextmanager
async def attacker(target: str) -> AsyncIterator[str]:
    """Serve a page on another port that posts its own form to `target`; yields the page's address."""
    body = (
        f'<form method="post" action="{target}"><input name="PhoneNumber" value="{NUMBER}">'
        '<input name="Code" value="012345"><button>Win a prize</button></form>'
    ).encode()
    page = Message("HTTP/1.1 200 OK", (("Content-Type", "text/html"), ("Connection", "close")), body).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(page)
        await writer.drain()

    async with stream_server(serve) as port:
        yield str(port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_another_site_cannot_confirm(browser: Browser, host: str) -> None:
    async with visit(browser, VERIFIED) as visitor, attacker(visitor.url) as port:
        other = await visitor.page.context.new_page()
        await other.goto(f"http://{host}:{port}/")
        async with other.expect_navigation(url=visitor.url) as navigation:
            await other.get_by_role("button").click()
        answer = await navigation.value
        assert answer is not None
        assert answer.status == 403
        await expect(other.get_by_role("alert")).to_contain_text("another site")
        assert len(visitor.upstream.received) == 1
        await visitor.confirm("012345")  # while the page itself works
        await visitor.is_thanked()
