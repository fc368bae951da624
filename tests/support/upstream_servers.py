"""nginx as the upstream's TLS end or unix socket, and tinyproxy on the way to it."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trustme

from bench.processes import free_port
from support.debian import find_program, is_listening

_PATIENCE = 20  # seconds
_NGINX = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {listen};
    {tls}
    location /packed/ {{ root {folder}; gzip_static always; default_type application/json; }}
    location / {{
      proxy_pass http://127.0.0.1:{to};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_set_header X-Client $ssl_client_s_dn;
      proxy_set_header X-Server-Name $ssl_server_name;
    }}
  }}
}}
"""
_CERTIFIED = """
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    ssl_client_certificate {folder}/ca.pem;
    ssl_verify_client on;
"""
_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 50
LogLevel Connect
LogFile "{folder}/tinyproxy.log"
Allow 127.0.0.1
ViaProxyName "tinyproxy"
{credentials}
"""


def write_certificates(folder: Path, *names: str) -> trustme.CA:
    """Write an authority (ca.pem), a server's certificate for `names`, a client's and its client.key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = authority.issue_cert(*names)
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    client = authority.issue_cert("old-programs@example.com", common_name="callerid-proxy")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    return authority


@asynccontextmanager
async def running_nginx(
    folder: Path, to: int, path: Path | None = None, *, tls: bool = False
) -> AsyncIterator[int]:
    """Run nginx before a port, at a unix socket, or where it wants client certificates; yields its port."""
    program, variables = find_program("nginx")
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    listen = (f"unix:{path}" if path else f"127.0.0.1:{port}") + (" ssl" if tls else "")
    certified = _CERTIFIED.format(folder=folder) if tls else ""
    file = folder / "nginx.conf"
    text = _NGINX.format(folder=folder, to=to, user=user, listen=listen, tls=certified)
    file.write_text(text, encoding="utf-8")
    async with _running([program, "-c", file], variables, path or port):
        yield port


@asynccontextmanager
async def running_tinyproxy(folder: Path, credentials: str = "") -> AsyncIterator[int]:
    """Run tinyproxy, which asks for `credentials` (user and password with a space); yields its port."""
    program, variables = find_program("tinyproxy")
    port = free_port()
    basic = f"BasicAuth {credentials}" if credentials else ""
    file = folder / "tinyproxy.conf"
    file.write_text(_TINYPROXY.format(port=port, folder=folder, credentials=basic), encoding="utf-8")
    async with _running([program, "-d", "-c", file], variables, port):
        yield port


def tunnels(folder: Path) -> list[str]:
    """Return the CONNECT requests that tinyproxy has logged."""
    log = (folder / "tinyproxy.log").read_text(encoding="utf-8")
    return re.findall(r": CONNECT (\S+) HTTP/", log)


@asynccontextmanager
async def _running(
    command: Sequence[str | Path], variables: Mapping[str, str], address: int | Path
) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(variables)
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await is_listening(address):
                assert process.returncode is None, f"{command[0]} has ended"
                await asyncio.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
