"""A client of the legacy API, which knows nothing of the vendor behind the proxy."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from lxml import etree
from support.seed import ACCOUNT, LIST, basic
from support.wire import Message, ask

from vendors.machinery import Number


@dataclass
class Client:
    """A legacy client."""

    port: int

    async def ask(self, method: str, target: str, form: str = "", token: str = "demo-token") -> Message:
        headers = (("Host", "x"), ("Authorization", basic(ACCOUNT, token)))
        return await ask(self.port, Message(f"{method} {target} HTTP/1.1", headers, form.encode()).encode())

    async def read(self, method: str, target: str, form: str = "") -> etree._Element:
        answer = await self.ask(method, target, form)
        assert answer.status == 200, answer
        return etree.fromstring(answer.body)[0]

    async def look(self, **parameters: object) -> tuple[dict[str, str], list[dict[str, str | None]]]:
        listed = await self.read("GET", f"{LIST}?{urlencode(parameters, quote_via=quote)}")
        return {str(name): str(value) for name, value in listed.items()}, [texts(item) for item in listed]

    async def sid(self, number: Number) -> str:
        _, items = await self.look(PhoneNumber=number.number)
        return str(items[0]["Sid"])

    async def bring(self, number: str, code: str) -> int:
        form = urlencode({"PhoneNumber": number, "Code": code})
        return (await self.ask("POST", "/caller-id-code", form)).status


def texts(element: etree._Element) -> dict[str, str | None]:
    return {str(child.tag): child.text for child in element}
