"""The recipes of docs/old-clients.md as they stand there: each turns one program to the proxy, and no other.

Where no registry here has the library, the program uses a small stand-in, which keeps its base URL where the
library does and reads it when the library does.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from support.markdown import blocks
from support.seed import ACCOUNT, LIST, TOKEN

from clients.programs import HERE, Server, run, works

DOCUMENT = blocks(HERE.parents[1] / "docs" / "old-clients.md")
ORIGINAL = "https://api.twilio.com"
LOGIN = f"{ACCOUNT}', '{TOKEN}"

RUBY_GET = f"""\
require 'net/https'
def ask(url)
  puts url
  return if url.start_with?('{ORIGINAL}')
  uri = URI.parse(url)
  http = Net::HTTP.new(uri.host, uri.port)
  http.use_ssl = uri.scheme == 'https'
  request = Net::HTTP::Get.new(uri.request_uri)
  request.basic_auth('{LOGIN}')
  puts http.request(request).code
end
"""
PERL_LIBRARY = f"""\
package WWW::Twilio::API;
use LWP::UserAgent;
sub API_URL {{ '{ORIGINAL}' }}
sub list {{
    my $url = API_URL() . '{LIST}';
    print "$url\\n";
    return if index($url, '{ORIGINAL}') == 0;
    my $request = HTTP::Request->new(GET => $url);
    $request->authorization_basic('{LOGIN}');
    print LWP::UserAgent->new->request($request)->code, "\\n";
}}
1;
"""
PYTHON_PROGRAM = f"""\
import sys
import twilio
print(twilio._TWILIO_API_URL)
if twilio._TWILIO_API_URL != '{ORIGINAL}':
    twilio.Account('{LOGIN}').request('{LIST}', 'GET')
    print(__name__ + ' ' + ' '.join(sys.argv[1:]))
"""


class Recipe(NamedTuple):
    """A recipe of the document, and a program with its library."""

    heading: str
    file: str
    """As which the recipe is saved."""
    program: str
    library: str = ""
    """Where the stand-in is, below the folder of libraries."""
    source: str = ""
    """Its text."""
    shown: str = "200"
    """What the program prints after its URL."""
    is_encrypted: bool = False


RECIPES = {
    "python": Recipe("Python: `twilio` 2.0", "to_proxy.py", PYTHON_PROGRAM, shown="__main__ -v"),
    "twiliorest.rb": Recipe(
        "Ruby: `twiliorest.rb` and `twiliolib`",
        "to_proxy.rb",
        f"require 'twiliorest'\nask(TwilioRest.url('{LIST}'))\n",
        "twiliorest.rb",
        f"""{RUBY_GET}
module TwilioRest
  TWILIO_API_URL = '{ORIGINAL}'
  def self.url(path) TWILIO_API_URL + path end
end
""",
        is_encrypted=True,
    ),
    "the gem 1.4 and 2.0": Recipe(
        "Ruby: the gem `twilio`",
        "to_proxy.rb",
        f"require 'twilio'\nask(Twilio::Connection.new('{ACCOUNT}').url + '/OutgoingCallerIds')\n",
        "twilio.rb",
        f"""{RUBY_GET}
module Twilio
  class Connection
    TWILIO_URL = '{ORIGINAL}/2008-08-01/Accounts'
    attr_reader :url
    def initialize(sid) @url = "#{{TWILIO_URL}}/#{{sid}}" end
  end
end
""",
    ),
    "the gem later": Recipe(
        "Ruby: the gem `twilio`",
        "to_proxy.rb",
        f"require 'twilio'\nask(Twilio.url('{ACCOUNT}') + '/OutgoingCallerIds')\n",
        "twilio.rb",
        f"""{RUBY_GET}
module Twilio
  TWILIO_URL = '{ORIGINAL}/2008-08-01/Accounts'
  def self.url(sid) "#{{TWILIO_URL}}/#{{sid}}" end
end
""",
    ),
    "perl": Recipe(
        "Perl: `WWW::Twilio::API`",
        "ToProxy.pm",
        "use WWW::Twilio::API;\nWWW::Twilio::API::list();\n",
        "WWW/Twilio/API.pm",
        PERL_LIBRARY,
    ),
}


def block(heading: str, language: str) -> str:
    """Return the only block of a language under a heading."""
    (found,) = (each.text for each in DOCUMENT if each.heading == heading and each.language == language)
    return found


@pytest.mark.parametrize("name", RECIPES)
async def test_found_d10_a_recipe_is_for_one_program(
    name: str, server: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    recipe, language = RECIPES[name], name if name in ("python", "perl") else "ruby"
    recipes, libraries, programs = (tmp_path / each for each in ("to-proxy", "libraries", "programs"))
    for folder in (recipes, libraries, programs):
        folder.mkdir()
    shutil.copy(server.ca, recipes / "ca.pem")
    urls = {"http://proxy.example:8080": server.plain, "https://proxy.example": server.tls}
    text = block(recipe.heading, language)
    for shown, url in urls.items():
        text = text.replace(shown, url)
    (recipes / recipe.file).write_text(text)
    program = programs / f"program{Path(recipe.file).suffix.replace('.pm', '.pl')}"
    program.write_text(recipe.program)
    if language == "python":
        python = str(request.getfixturevalue("python27"))
        shutil.copy(request.getfixturevalue("library") / "twilio.py", programs)
    else:
        python = ""
        (libraries / recipe.library).parent.mkdir(parents=True, exist_ok=True)
        (libraries / recipe.library).write_text(recipe.source)
    command = block(recipe.heading, "sh").replace("/opt/to-proxy", str(recipes))
    words = command.replace("python2.7", python).replace(program.name, str(program)).split()
    installed = {"RUBYLIB": str(libraries), "PERL5LIB": str(libraries)}
    url, shown = (await run([*words, "-v"], "", **installed)).splitlines()
    assert url.startswith(server.tls if recipe.is_encrypted else server.plain)
    assert shown == recipe.shown
    # The program as it was, and so any other, asks where it asked before
    alone = await run([python or language, str(program)], "", **installed)
    assert alone.startswith(ORIGINAL)
    assert len(alone.splitlines()) == 1


def test_found_d10_no_recipe_sets_what_other_programs_read() -> None:
    """Nothing is exported, and variables stand in front of a command, behind `env`."""
    commands = [each.text for each in DOCUMENT if each.language == "sh"]
    assert len(commands) > 5
    for command in commands:
        assert not any(
            word in command for word in ("export ", "RUBYOPT", "PERL5OPT", "PYTHONPATH", "TOOL_OPTIONS")
        )
        for line in command.splitlines():
            assert line.startswith("NAME=") or "=" not in line.split(" ")[0]


def hosts_of_the_machine() -> str:
    return Path("/etc/hosts").read_text()


async def test_found_d10_csharp_takes_the_name_and_the_ca(server: Server, tmp_path: Path) -> None:
    """The commands of the document, with a hosts file that only the program sees."""
    if not works("mcs", "--version"):
        pytest.skip("no Mono with mcs and cert-sync")
    if not works("unshare", "--mount", "true"):
        pytest.skip("no mount namespace")
    assert server.ca == tmp_path / "ca.pem"
    hosts = hosts_of_the_machine()
    (tmp_path / "hosts").write_text(hosts + "127.0.0.1 api.twilio.com\n")
    (tmp_path / "home").mkdir()
    assert works("mcs", f"-out:{tmp_path / 'program.exe'}", HERE / "Driver.cs")
    sync, mono = next(
        each.text.replace("/opt/to-proxy", str(tmp_path)).splitlines()
        for each in DOCUMENT
        if "cert-sync --user" in each.text
    )
    await run(["sh", "-c", f"cd {tmp_path} && {sync}"], "")
    base_url = server.tls.replace("localhost", "api.twilio.com")
    program = f"{mono.replace('program.exe', str(tmp_path / 'program.exe'))} {base_url} {ACCOUNT} {TOKEN}"
    takes_over = next(each.text for each in DOCUMENT if each.text.startswith("unshare"))
    takes_over = takes_over.replace("/opt/to-proxy", str(tmp_path)).replace("=old", "=root")
    answered = await run(["sh", "-c", takes_over.replace("mono program.exe", program)], f"GET\t{LIST}\n")
    assert answered.startswith("200\n TwilioResponse\n")
    assert hosts_of_the_machine() == hosts
