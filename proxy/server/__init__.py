"""The listening side: aiohttp's server with our limits, between HTTP requests and the gateway.

Of aiohttp only exported names are used, so that its security releases can be taken the same day. Every
answer, those to bytes that are no HTTP included, is rendered by the legacy side.
"""
