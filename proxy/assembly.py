"""Settings → the parts that they describe, put together."""

from proxy.accounts import Accounts, Entry, Mapped, PassedOn
from proxy.config import AccountSettings, Configuration
from proxy.legacy import Style, rfc_2822_writer
from proxy.model import Credentials
from proxy.translator import Translator
from proxy.upstream.api import Upstream
from proxy.upstream.client import Client
from proxy.upstream.profile import Profile


def assemble(configuration: Configuration, client: Client) -> Translator:
    """Return a translator that asks through `client`."""
    settings = configuration.settings
    profile = Profile(configuration.profile, settings.upstream.base_url)
    style = Style(
        rfc_2822_writer(settings.legacy.timezone), settings.numbers.outside_nanp, settings.legacy.page_uris
    )
    accounts: Accounts = PassedOn()
    if settings.accounts is not None:
        accounts = Mapped({sid: _entry(account) for sid, account in settings.accounts.items()})
    return Translator(accounts, Upstream(profile, client), style)


def _entry(account: AccountSettings) -> Entry:
    upstream = account.upstream
    credentials = Credentials(upstream.username or upstream.account, upstream.password.get_secret_value())
    return Entry(account.token_digest(), upstream.account, credentials)
