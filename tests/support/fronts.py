"""nginx and HAProxy in front of the proxy, and their logs of forwarded requests."""

import asyncio
import os
import signal
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.processes import free_port
from support.debian import find_program, is_listening

_PATIENCE = 20  # seconds
# As transparent as possible: unusual requests are forwarded, and connections are reused
_NGINX = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
  log_format told escape=json '$upstream_addr $request_method $request_uri';
  access_log /dev/stdout told;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  ignore_invalid_headers off;
  underscores_in_headers on;
  merge_slashes off;
  upstream ours {{ server 127.0.0.1:{to}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://ours;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      proxy_ignore_client_abort on;
      proxy_next_upstream off;
    }}
  }}
}}
"""
_HAPROXY = """
global
  nbthread 1
  log stdout len 65535 format raw local0
defaults
  mode http
  log global
  log-format "%s %HM %HU"
  option accept-invalid-http-request
  retries 0
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend before
  bind 127.0.0.1:{port}
  default_backend ours
backend ours
  http-reuse always
  server ours 127.0.0.1:{to}
"""


class Told(NamedTuple):
    """A request that a front logged as forwarded."""

    method: str
    target: str


class Front(NamedTuple):
    """A kind of reverse proxy."""

    program: str
    configuration: str
    options: Sequence[str]
    farewell: signal.Signals
    """Graceful: requests in flight are finished."""


NGINX = Front("nginx", _NGINX, ("-c",), signal.SIGQUIT)
HAPROXY = Front("haproxy", _HAPROXY, ("-db", "-f"), signal.SIGUSR1)


@dataclass
class Running:
    """A running front."""

    port: int
    _front: Front
    _process: Process
    _log: Path

    async def told(self) -> Sequence[Told]:
        """Stop it, and return the requests that it logged as forwarded."""
        self._process.send_signal(self._front.farewell)
        await asyncio.wait_for(self._process.wait(), _PATIENCE)
        lines = (line.split(" ", 2) for line in self._log.read_text(encoding="latin-1").splitlines())
        return [Told(method, target) for server, method, target in lines if server not in _NO_SERVER]


_NO_SERVER = ("", "-", "<NOSRV>")


@asynccontextmanager
async def running(front: Front, to: int, folder: Path) -> AsyncIterator[Running]:
    """Run a front before a port of this machine until the block ends; the test is skipped without it."""
    program, variables = find_program(front.program)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    file, log = folder / front.program, folder / "log"
    words = {"port": port, "to": to, "folder": folder, "user": user}
    file.write_text(front.configuration.format(**words), encoding="utf-8")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program, *front.options, file, stdout=output, stderr=subprocess.DEVNULL, env=variables
        )
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await is_listening(port):
                assert process.returncode is None, f"{front.program} has ended"
                await asyncio.sleep(0.05)
        yield Running(port, front, process, log)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
