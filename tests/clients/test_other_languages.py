"""Programs in the languages of 2008, with the HTTP and XML libraries that these come with.

Each driver reads requests, one a line: method, path, then name=value for each parameter, in plain text with
a tab between any two. For each answer it prints the status and, indented, the elements that its own XML
parser found: name, attributes in the order of their names, and the text where there is nothing else.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
from support.seed import ACCOUNT, BOB, COMPANY, LIST, TOKEN

from clients.programs import HERE, Server, run, works
from clients.serving import serving


class Language(NamedTuple):
    """How a driver is run."""

    driver: str
    plain: str
    trusting: str
    """The same, with a CA that a user added."""
    check: list[str]
    """Fails if the language is not installed."""
    needs: str
    attempts: int = 1
    """With TLS: more where the program itself sometimes hangs."""


JAVA = "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # starts sooner

LANGUAGES = {
    "perl": Language(
        driver="driver.pl",
        plain="perl",
        trusting="env PERL_LWP_SSL_CA_FILE={ca} perl",
        check=["perl", "-MLWP::Protocol::https", "-MXML::LibXML", "-e", "1"],
        needs="Perl with LWP::Protocol::https and XML::LibXML",
    ),
    "php": Language(
        driver="driver.php",
        plain="php",
        trusting="php -d curl.cainfo={ca}",
        check=["php", "-r", 'exit((int) !(extension_loaded("curl") && extension_loaded("SimpleXML")));'],
        needs="PHP with curl and SimpleXML",
    ),
    "ruby": Language(
        driver="driver.rb",
        plain="ruby",
        trusting="env SSL_CERT_FILE={ca} ruby",
        check=["ruby", "-rnet/https", "-rrexml/document", "-e", "1"],
        needs="Ruby with REXML",
    ),
    "java": Language(
        driver="Driver.java",
        plain=JAVA,
        trusting=JAVA + " -Djavax.net.ssl.trustStore={keystore} -Djavax.net.ssl.trustStorePassword=changeit",
        check=["javac", "-version"],
        needs="JDK",
    ),
    # Which has no setting for the CA: a store of its own user has it, under HOME
    "csharp": Language(
        driver="Driver.cs",
        plain="mono",
        trusting="env HOME={home} mono",
        check=["mcs", "--version"],
        needs="Mono with mcs and cert-sync",
        attempts=3,  # one of forty hangs: no thread of Mono waits for the connection, which is open and empty
    ),
}

BOB_IN_XML = f"""\
   Sid: {BOB}
   AccountSid: {ACCOUNT}
   FriendlyName: Bob Cell Phone
   PhoneNumber: 4158675309
   DateCreated: Tue, 01 Apr 2008 11:26:32 -0700
   DateUpdated: Tue, 01 Apr 2008 11:26:32 -0700"""

CONVERSATION = f"""\
> GET {LIST}
200
 TwilioResponse
  OutgoingCallerIds end=1 numpages=1 page=0 pagesize=50 start=0 total=2
   OutgoingCallerId
{BOB_IN_XML.replace("   ", "    ")}
   OutgoingCallerId
    Sid: {COMPANY}
    AccountSid: {ACCOUNT}
    FriendlyName: Company Main Line
    PhoneNumber: 4158675310
    DateCreated: Tue, 01 Apr 2008 11:26:32 -0700
    DateUpdated: Tue, 01 Apr 2008 11:26:32 -0700
> GET {LIST}\tpage=1\tnum=1\tFriendlyName=
200
 TwilioResponse
  OutgoingCallerIds end=1 numpages=2 page=1 pagesize=1 start=1 total=2
   OutgoingCallerId
    Sid: {COMPANY}
    AccountSid: {ACCOUNT}
    FriendlyName: Company Main Line
    PhoneNumber: 4158675310
    DateCreated: Tue, 01 Apr 2008 11:26:32 -0700
    DateUpdated: Tue, 01 Apr 2008 11:26:32 -0700
> GET {LIST}\tFriendlyName=Company Main Line\tPhoneNumber=4158675309
200
 TwilioResponse
  OutgoingCallerIds end=0 numpages=0 page=0 pagesize=50 start=0 total=0
> GET {LIST}/{BOB}
200
 TwilioResponse
  OutgoingCallerId
{BOB_IN_XML}
> PUT {LIST}/{BOB}\tFriendlyName=Zoë & Söhne + <main>
200
 TwilioResponse
  OutgoingCallerId
   Sid: {BOB}
   AccountSid: {ACCOUNT}
   FriendlyName: Zoë & Söhne + <main>
   PhoneNumber: 4158675309
   DateCreated: Tue, 01 Apr 2008 11:26:32 -0700
   DateUpdated: Thu, 06 Nov 2008 11:33:20 -0800
> POST {LIST}/{BOB}\tFriendlyName=Bob
200
 TwilioResponse
  OutgoingCallerId
   Sid: {BOB}
   AccountSid: {ACCOUNT}
   FriendlyName: Bob
   PhoneNumber: 4158675309
   DateCreated: Tue, 01 Apr 2008 11:26:32 -0700
   DateUpdated: Thu, 06 Nov 2008 11:33:20 -0800
> POST {LIST}\tPhoneNumber=(415) 555.1212\tFriendlyName=Home\tCallDelay=5
200
 TwilioResponse
  ValidationRequest
   AccountSid: {ACCOUNT}
   PhoneNumber: 4155551212
   FriendlyName: Home
   ValidationCode: 123456
> POST {LIST}
400
 TwilioResponse
  RestException
   Status: 400
   Message: PhoneNumber must be a ten-digit phone number
   Code: 21401
   MoreInfo: http://www.twilio.com/docs/errors/21401
> DELETE {LIST}/{BOB}
204
> GET {LIST}/{BOB}
404
 TwilioResponse
  RestException
   Status: 404
   Message: The requested resource was not found
> POST {LIST}/{COMPANY}?_method=DELETE
204
> GET {LIST}
200
 TwilioResponse
  OutgoingCallerIds end=0 numpages=0 page=0 pagesize=50 start=0 total=0
"""

REFUSAL = """\
401
 TwilioResponse
  RestException
   Status: 401
   Message: Authenticate
   Code: 20003
   MoreInfo: http://www.twilio.com/docs/errors/20003
"""


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    language = LANGUAGES[request.param]
    return language if works(*language.check) else pytest.skip(f"no {language.needs}")


async def converse(command: list[str], base_url: str) -> None:
    lines = CONVERSATION.splitlines(keepends=True)
    asked = [line[2:].replace(" ", "\t", 1) for line in lines if line.startswith("> ")]
    answered = await run([*command, base_url, ACCOUNT, TOKEN], "".join(asked))
    assert answered == "".join(line for line in lines if not line.startswith("> "))


def driver_of(language: Language, folder: Path) -> str:
    """Return the file that the language runs, which C# compiles first."""
    source = HERE / language.driver
    if source.suffix != ".cs":
        return str(source)
    compiled = folder / "driver.exe"
    assert works("mcs", f"-out:{compiled}", source)
    return str(compiled)


async def test_conversation(language: Language, server: Server, tmp_path: Path) -> None:
    await converse([*language.plain.split(), driver_of(language, tmp_path)], server.plain)


@pytest.mark.timeout(150)
async def test_conversation_over_tls(language: Language, tmp_path: Path) -> None:
    for attempts_left in reversed(range(language.attempts)):
        folder = tmp_path / str(attempts_left)
        folder.mkdir()
        try:
            async with serving(folder) as server:
                await converse_over_tls(language, server, folder)
        except TimeoutError:
            if not attempts_left:
                raise
        else:
            return


async def converse_over_tls(language: Language, server: Server, folder: Path) -> None:
    keystore = server.ca.with_suffix(".jks")
    command = [
        word.format(ca=server.ca, keystore=keystore, home=folder) for word in language.trusting.split()
    ]
    if "{keystore}" in language.trusting:
        options = "-J-XX:TieredStopAtLevel=1 -importcert -noprompt -storepass changeit -keystore"
        assert works("keytool", *options.split(), keystore, "-file", server.ca)
    if "{home}" in language.trusting:
        assert works("env", f"HOME={folder}", "cert-sync", "--quiet", "--user", server.ca)
    await converse([*command, driver_of(language, folder)], server.tls)


async def test_wrong_token(language: Language, server: Server, tmp_path: Path) -> None:
    asked = [f"{method}\t{LIST}/{BOB}\tFriendlyName=Bob\n" for method in ("GET", "PUT", "POST", "DELETE")]
    command = [*language.plain.split(), driver_of(language, tmp_path), server.plain, ACCOUNT, "wrong"]
    assert await run(command, "".join(asked)) == REFUSAL * len(asked)
