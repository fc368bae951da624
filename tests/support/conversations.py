"""Conversations of tests/conversations/: their placeholders, besides those of `callerid-proxy test`.

Names in braces stand for values of the seed document: {UPSTREAM_LIST}, {BOB}, {COMPANY}; {BOB_JSON},
{COMPANY_JSON} for its two caller IDs as the upstream writes them and {BOB_XML}, {COMPANY_XML} as the legacy
API does; {BOB_OLD_JSON}, {BOB_CSV}, {BOB_HTML} and so on for its other formats.
"""

from functools import cache
from pathlib import Path

from proxy.config import read_profile
from proxy.config.settings import DEFAULT_PROFILE
from proxy.conversations import Conversation, ProfileUnderTest, parse_conversation, run_conversation
from proxy.conversations.messages import Message, parse_text, unescape
from proxy.conversations.placeholders import Placeholders, encode_basic
from proxy.conversations.preparing import STATIC
from support.seed import ACCOUNT, BOB, COMPANY, UPSTREAM_LIST

FILES = sorted((Path(__file__).parents[1] / "conversations").glob("*.txt"))
VARIABLES = {"UPSTREAM_TOKEN": "upstream-token"}

Section = tuple[str, str]


def caller_id_json(sid: str, name: str, number: str) -> str:
    at = "Tue, 01 Apr 2008 18:26:32 +0000"
    return (
        f'{{"sid": "{sid}", "account_sid": "{ACCOUNT}", "friendly_name": "{name}", '
        f'"phone_number": "+1{number}", "date_created": "{at}", "date_updated": "{at}"}}'
    )


def caller_id_xml(sid: str, name: str, number: str) -> str:
    at = "Tue, 01 Apr 2008 11:26:32 -0700"
    return (
        f"<OutgoingCallerId><Sid>{sid}</Sid><AccountSid>{ACCOUNT}</AccountSid>"
        f"<FriendlyName>{name}</FriendlyName><PhoneNumber>{number}</PhoneNumber>"
        f"<DateCreated>{at}</DateCreated><DateUpdated>{at}</DateUpdated></OutgoingCallerId>"
    )


def texts(sid: str, name: str, number: str) -> dict[str, str]:
    at = "Tue, 01 Apr 2008 11:26:32 -0700"
    return {
        "Sid": sid,
        "AccountSid": ACCOUNT,
        "FriendlyName": name,
        "PhoneNumber": number,
        "DateCreated": at,
        "DateUpdated": at,
    }


def caller_id_old_json(sid: str, name: str, number: str) -> str:
    children = ",".join(f'"{child}":"{text}"' for child, text in texts(sid, name, number).items())
    return f'{{"OutgoingCallerId":{{{children}}}}}'


def caller_id_csv(sid: str, name: str, number: str) -> str:
    return ",".join(f'"{text}"' if "," in text else text for text in texts(sid, name, number).values())


def caller_id_html(sid: str, name: str, number: str) -> str:
    classes = ("sid", "account-sid", "friendly-name", "phone-number", "date-created", "date-updated")
    children = zip(classes, texts(sid, name, number).values(), strict=True)
    divs = "".join(f'<div class="{name}">{text}</div>' for name, text in children)
    return f'<div class="outgoing-caller-id">{divs}</div>'


BOB_IS = (BOB, "Bob Cell Phone", "4158675309")
COMPANY_IS = (COMPANY, "Company Main Line", "4158675310")
NAMES = {
    "UPSTREAM_LIST": UPSTREAM_LIST,
    "BOB": BOB,
    "COMPANY": COMPANY,
    "BOB_JSON": caller_id_json(*BOB_IS),
    "COMPANY_JSON": caller_id_json(*COMPANY_IS),
    "BOB_XML": caller_id_xml(*BOB_IS),
    "COMPANY_XML": caller_id_xml(*COMPANY_IS),
    "BOB_OLD_JSON": caller_id_old_json(*BOB_IS),
    "COMPANY_OLD_JSON": caller_id_old_json(*COMPANY_IS),
    "BOB_CSV": caller_id_csv(*BOB_IS),
    "COMPANY_CSV": caller_id_csv(*COMPANY_IS),
    "BOB_HTML": caller_id_html(*BOB_IS),
    "COMPANY_HTML": caller_id_html(*COMPANY_IS),
}


def read(file: Path) -> Conversation:
    return parse_conversation(file.read_text(encoding="utf-8"), {*NAMES, *STATIC, "UPSTREAM"})


def sections(file: Path, upstream_url: str) -> list[Section]:
    """Return name and text of each section of a file."""
    filled = Placeholders({**STATIC, **NAMES, "UPSTREAM": upstream_url}, {"basic": encode_basic})
    return [(each.name, each.fill(filled)) for each in read(file).sections]


def message(text: str) -> Message:
    r"""Read a message in which `\xE9` is a byte."""
    return unescape(parse_text(text))


async def hold_conversation(file: Path, folder: Path) -> None:
    """Run the client and the upstream of a file, with a proxy whose own files are in `folder`."""
    profile = DEFAULT_PROFILE
    for name, text in sections(file, ""):
        if name == "profile":
            (folder / "profile.yaml").write_text(text, encoding="utf-8")
            profile = str(folder / "profile.yaml")
    await run_conversation(read(file), _make_subject(profile))


@cache
def _make_subject(profile: str) -> ProfileUnderTest:
    return ProfileUnderTest(read_profile(profile, Path()), profile, NAMES, VARIABLES)
