-- HAProxy's own HTTP client asks the upstream.
local translate = require "translate"
local upstream = "http://127.0.0.1:" .. os.getenv("UPSTREAM_PORT")

core.register_service("translate", "http", function(applet)
  local answer = core.httpclient():get{
    url = upstream .. translate.modern_path(applet.path),
    headers = {authorization = {applet.headers["authorization"][0]}},
  }
  local body = answer.status == 200 and translate.translate(answer.body) or ""
  applet:set_status(answer.status)
  applet:add_header("content-type", "application/xml")
  applet:add_header("content-length", #body)
  applet:start_response()
  applet:send(body)
end)
