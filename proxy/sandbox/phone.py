"""The person at the phone: enters a validation code at a running sandbox."""

import aiohttp


class AnswerError(Exception):
    """The sandbox's reason, or that there is no sandbox."""


async def answer(url: str, number: str, code: str) -> str:
    """Enter `code` on the phone of `number`; return what the sandbox says."""
    status, message = await _post(f"{url.rstrip('/')}/sandbox/answer", {"PhoneNumber": number, "Code": code})
    if status != 200:
        raise AnswerError(message)
    return message


async def _post(url: str, form: dict[str, str]) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=form, allow_redirects=False) as response,
        ):
            return response.status, (await response.json())["message"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise AnswerError(f"No sandbox answers at {url}") from error
