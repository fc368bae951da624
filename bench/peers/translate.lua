-- The translation for nginx and HAProxy, tuned: dates by slices, the offset of each hour kept.
local cjson = require "cjson.safe"
local format, floor, concat = string.format, math.floor, table.concat

local M = {}

local MONTHS = {Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11,
                Dec = 12}
local MONTH_NAMES = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
local DAY_NAMES = {[0] = "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
local ESCAPES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["\r"] = "&#13;"}

-- Days since 1970, and back
local function days_of(year, month, day)
  if month <= 2 then year = year - 1; month = month + 12 end
  return 365 * year + floor(year / 4) - floor(year / 100) + floor(year / 400)
    + floor((153 * (month - 3) + 2) / 5) + day - 719469
end

local function date_of(days)
  local z = days + 719468
  local era = floor(z / 146097)
  local doe = z - era * 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
  local mp = floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return yoe + era * 400 + (month <= 2 and 1 or 0), month, doy - floor((153 * mp + 2) / 5) + 1
end

-- The hour in which clocks change, by the US rule of 2007: the n-th Sunday of a month, 2 o'clock
local function change(year, month, nth, utc_hour)
  local first = days_of(year, month, 1)
  local sunday = first + (7 - (first + 4) % 7) % 7 + 7 * (nth - 1)
  return sunday * 24 + utc_hour
end

local rules = {}
local function is_summer(year, hours)
  local rule = rules[year]
  if not rule then
    rule = {change(year, 3, 2, 10), change(year, 11, 1, 9)}
    rules[year] = rule
  end
  return hours >= rule[1] and hours < rule[2]
end

local hours_written, kept = {}, 0
local function write_hour(text)
  local year, month, day = tonumber(text:sub(13, 16)), MONTHS[text:sub(9, 11)], tonumber(text:sub(6, 7))
  local hours = days_of(year, month, day) * 24 + tonumber(text:sub(18, 19))
  local offset = is_summer(year, hours) and -7 or -8
  hours = hours + offset
  local days = floor(hours / 24)
  year, month, day = date_of(days)
  return {format("%s, %02d %s %04d %02d", DAY_NAMES[(days + 4) % 7], day, MONTH_NAMES[month], year, hours % 24),
          offset == -7 and " -0700" or " -0800"}
end

local function write_date(text)
  local hour = text:sub(1, 19)
  local written = hours_written[hour]
  if not written then
    if kept == 20000 then hours_written, kept = {}, 0 end
    written = write_hour(text)
    hours_written[hour], kept = written, kept + 1
  end
  return written[1] .. text:sub(20, 25) .. written[2]
end

local function escape(text)
  return text:find("[&<>\r]") and text:gsub("[&<>\r]", ESCAPES) or text
end

local function write_item(parts, n, item)
  parts[n + 1] = "<OutgoingCallerId><Sid>"
  parts[n + 2] = item.sid
  parts[n + 3] = "</Sid><AccountSid>"
  parts[n + 4] = item.account_sid
  parts[n + 5] = "</AccountSid><FriendlyName>"
  parts[n + 6] = escape(item.friendly_name)
  parts[n + 7] = "</FriendlyName><PhoneNumber>"
  parts[n + 8] = item.phone_number:sub(3)
  parts[n + 9] = "</PhoneNumber><DateCreated>"
  parts[n + 10] = write_date(item.date_created)
  parts[n + 11] = "</DateCreated><DateUpdated>"
  parts[n + 12] = write_date(item.date_updated)
  parts[n + 13] = "</DateUpdated></OutgoingCallerId>"
  return n + 13
end

function M.modern_path(path)
  local rest = path:gsub("^/2008%-08%-01/", "/2010-04-01/")
  return rest .. (rest:find("/PN", 1, true) and ".json" or ".json?PageSize=50")
end

function M.translate(body)
  local document = cjson.decode(body)
  local parts = {'<?xml version="1.0"?>\n<TwilioResponse>'}
  local items = document.outgoing_caller_ids
  if not items then
    write_item(parts, 1, document)
  else
    local total = #items
    parts[2] = format('<OutgoingCallerIds page="0" numpages="%d" pagesize="50" total="%d" start="0" end="%d">',
                      total > 0 and 1 or 0, total, total > 0 and total - 1 or 0)
    local n = 2
    for i = 1, total do n = write_item(parts, n, items[i]) end
    parts[n + 1] = "</OutgoingCallerIds>"
  end
  parts[#parts + 1] = "</TwilioResponse>"
  return concat(parts)
end

return M
