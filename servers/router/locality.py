"""What counts as this machine or network, in the configuration and again when a name is resolved."""

from __future__ import annotations

import ipaddress

# Names that no public registry gives out: RFC 6761, 6762, 8375 and 9476 (internal), and Kubernetes' own.
_LOCAL_SUFFIXES = (".localhost", ".local", ".home.arpa", ".internal", ".svc", ".cluster.local")
# Not `is_private`, which also holds for documentation and benchmarking ranges.
_LOCAL_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


def is_local_address(address: str) -> bool:
    """Return whether an IP address is this machine's or of a private network.

    Link-local addresses are not: clouds answer there.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in _LOCAL_NETWORKS if network.version == parsed.version)


def is_local_host(host: str) -> bool:
    """Return whether a host name or address can only be of this machine or network.

    A name without a dot is: a container's or a Kubernetes service's, or one of /etc/hosts.
    """
    name = host.lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        # "127.1" and "2130706433" are addresses to some resolvers; nothing that ends in digits is a name.
        is_named = bool(name) and not name.rpartition(".")[2].isdigit()
        return is_named and ("." not in name or name.endswith(_LOCAL_SUFFIXES))
    return is_local_address(name)
