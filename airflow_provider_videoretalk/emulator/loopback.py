"""Recognises names and addresses of this machine itself."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or an IP address, without a port, leads to the same machine by definition (RFC 6761)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    # A socket for both families names IPv4 clients by mapped addresses.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
