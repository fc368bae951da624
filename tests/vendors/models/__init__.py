"""A scripted stand-in for each profile, as the vendor's documentation describes it."""

from vendors.machinery import Vendor
from vendors.models.cloudtalk import CloudTalk
from vendors.models.dialmycalls import DialMyCalls
from vendors.models.example_rest import ExampleRest
from vendors.models.infobip import Infobip
from vendors.models.plivo import Plivo
from vendors.models.restcomm import Restcomm
from vendors.models.ringcentral import RingCentral
from vendors.models.signalwire import SignalWire
from vendors.models.telnyx import Telnyx
from vendors.models.twilio import Twilio
from vendors.models.voip_ms import VoipMs
from vendors.models.vonage import Vonage
from vendors.models.voximplant import Voximplant
from vendors.models.zoom_phone import ZoomPhone

VENDORS: tuple[type[Vendor], ...] = (
    Twilio,
    SignalWire,
    Telnyx,
    Plivo,
    Restcomm,
    Voximplant,
    ZoomPhone,
    RingCentral,
    Vonage,
    Infobip,
    DialMyCalls,
    CloudTalk,
    VoipMs,
    ExampleRest,
)
