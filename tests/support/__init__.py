"""What tests share: raw HTTP over real sockets, a scripted upstream, running proxies."""
