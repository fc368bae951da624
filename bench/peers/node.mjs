// Node with undici, tuned: one pool, strings instead of a tree, the offset of each hour kept.
import http from "node:http";
import { createRequire } from "node:module";

const { Pool } = createRequire(process.env.UNDICI)("undici");
const [port, upstreamPort] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 64 });

const zone = new Intl.DateTimeFormat("en-US", {
  timeZone: "America/Los_Angeles", hourCycle: "h23", timeZoneName: "longOffset", weekday: "short",
  year: "numeric", month: "short", day: "2-digit", hour: "2-digit",
});
let hours = new Map();

function writeHour(hour) {
  const part = Object.fromEntries(zone.formatToParts(new Date(`${hour}:00:00 GMT`)).map((it) => [it.type, it.value]));
  const offset = part.timeZoneName.slice(3).replace(":", "");
  return [`${part.weekday}, ${part.day} ${part.month} ${part.year} ${part.hour}`, ` ${offset}`];
}

function date(text) {
  const hour = text.slice(0, 19);
  let written = hours.get(hour);
  if (!written) {
    if (hours.size === 20000) hours = new Map();
    hours.set(hour, (written = writeHour(hour)));
  }
  return written[0] + text.slice(19, 25) + written[1];
}

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;" };
const escape = (text) => (/[&<>\r]/.test(text) ? text.replace(/[&<>\r]/g, (it) => escapes[it]) : text);

const item = (it) =>
  `<OutgoingCallerId><Sid>${it.sid}</Sid><AccountSid>${it.account_sid}</AccountSid>` +
  `<FriendlyName>${escape(it.friendly_name)}</FriendlyName><PhoneNumber>${it.phone_number.slice(2)}</PhoneNumber>` +
  `<DateCreated>${date(it.date_created)}</DateCreated><DateUpdated>${date(it.date_updated)}</DateUpdated>` +
  `</OutgoingCallerId>`;

function translate(document) {
  const items = document.outgoing_caller_ids;
  if (!items) return item(document);
  const pages = items.length ? 1 : 0, end = Math.max(items.length - 1, 0);
  let listed = `<OutgoingCallerIds page="0" numpages="${pages}" pagesize="50" total="${items.length}" start="0" end="${end}">`;
  for (const it of items) listed += item(it);
  return listed + "</OutgoingCallerIds>";
}

http
  .createServer(async (request, response) => {
    try {
      const path = request.url.replace("/2008-08-01/", "/2010-04-01/") + ".json";
      const answer = await pool.request({
        method: "GET",
        path: path.includes("/PN") ? path : `${path}?PageSize=50`,
        headers: { authorization: request.headers.authorization },
      });
      const document = await answer.body.json();
      const body = Buffer.from(`<?xml version="1.0"?>\n<TwilioResponse>${translate(document)}</TwilioResponse>`);
      response.writeHead(answer.statusCode, { "content-type": "application/xml", "content-length": body.length });
      response.end(body);
    } catch {
      response.writeHead(502, { "content-length": 0 }).end();
    }
  })
  .listen(Number(port), "127.0.0.1");
