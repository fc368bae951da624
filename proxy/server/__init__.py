"""The listening side: sockets, limits and the shortest way from an HTTP request to the bridge and back.

Of aiohttp only the parser and its flow control are used, without its server, application and router: every
request takes the same way, and every answer, those to bytes that are no HTTP included, is made by the legacy
shore.
"""
