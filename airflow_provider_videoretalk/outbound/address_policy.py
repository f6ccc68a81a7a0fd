"""Which network addresses may be connected to."""

from __future__ import annotations

import ipaddress

from airflow_provider_videoretalk.dashscope.errors import InputError

# IANA: all IPv6 unicast addresses that are assigned, and the prefix of RFC 6052 that embeds an IPv4 address.
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# Cloud services that give credentials and settings of this machine to whoever asks from it: AWS, GCP, Azure and others
# (all link-local addresses), AWS and GCP over IPv6, Azure's platform, Alibaba, Oracle, Volcengine, Equinix.
_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::/32",
        "168.63.129.16/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "100.96.0.96/32",
        "192.80.8.124/32",
    )
)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet: not private, loopback, link-local, shared, multicast or
    reserved. An IPv6 address that embeds an IPv4 address is judged by the IPv4 address.
    """
    ip = _effective(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return ip in _UNICAST_V6 and ip.is_global
    return ip.is_global and not ip.is_multicast and not is_metadata(address)


def is_metadata(address: str) -> bool:
    """Whether an IP address belongs to a cloud's metadata service, or to a range in which clouds have them."""
    ip = _effective(address)
    return any(ip in network for network in _METADATA if network.version == ip.version)


def _effective(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address without a zone; the IPv4 address that is embedded in it, if any."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return (_embedded_ipv4(ip) if isinstance(ip, ipaddress.IPv6Address) else None) or ip


def _embedded_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


class AddressPolicy:
    """The rule for the addresses of one field's URL.

    :param field: the field that holds the URL, for messages
    :param allow_private: allow every address except those of metadata services; by default only public ones
    """

    def __init__(self, *, field: str, allow_private: bool = False) -> None:
        self._field = field
        self.allow_private = allow_private

    def check(self, host: str, address: str) -> None:
        """Returns for an address that may be connected to.

        :param host: the host name that resolved to the address, for the message. The message does not give the address,
            which could be a secret of a private network
        :raises InputError: the address is not allowed
        """
        if is_metadata(address):
            raise InputError(
                f"{self._field} leads to {host}, which has the address of a cloud's metadata service, "
                "allowed are public addresses",
                code="InvalidURL",
                remedy="Give the URL of a media file.",
            )
        if not self.allow_private and not is_public(address):
            raise InputError(
                f"{self._field} leads to {host}, which has no public address, allowed are public addresses",
                code="InvalidURL",
                remedy="The service cannot reach a private network. Give a public URL, or allow private addresses.",
            )
