"""Run the command line: `python -m proxy`."""

from proxy.cli import main

main(prog_name="callerid-proxy")
