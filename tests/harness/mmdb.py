"""Writes databases of countries in the format of MaxMind DB 2.0: a search tree of 24-bit records over
128 bits (IPv4 below ::/96), the data, and what describes both."""
import ipaddress
import os
import struct

MARK = b"\xab\xcd\xefMaxMind.com"
TEXT, UINT16, UINT32, MAP, UINT64, LIST = 2, 5, 6, 7, 9, 11


def head(kind, size):
    """The control bytes; types above 7 have a byte of their own."""
    assert size < 285
    first = (kind if kind <= 7 else 0) << 5 | min(size, 29)
    return bytes([first]) + (b"" if kind <= 7 else bytes([kind - 7])) + (bytes([size - 29]) if size >= 29 else b"")


def number(kind, value):
    data = value.to_bytes(8, "big").lstrip(b"\0")
    return head(kind, len(data)) + data


def encode(value):
    """Texts, lists and maps; numbers come encoded."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return head(TEXT, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(LIST, len(value)) + b"".join(encode(one) for one in value)
    return head(MAP, len(value)) + b"".join(encode(key) + encode(one) for key, one in value.items())


def bits_of(network):
    network = ipaddress.ip_network(network)
    before = 96 if network.version == 4 else 0
    whole = f"{int(network.network_address):0128b}"
    return whole[:before + network.prefixlen]


def grow(tree, bits, leaf):
    """tree: nodes of two, each None, the number of a node, or a leaf as ("leaf", offset)."""
    at = 0
    for bit in bits[:-1]:
        if tree[at][int(bit)] is None:
            tree.append([None, None])
            tree[at][int(bit)] = len(tree) - 1
        at = tree[at][int(bit)]
        assert isinstance(at, int), "networks lie in one another"
    tree[at][int(bits[-1])] = ("leaf", leaf)


def database(entries):
    """entries: {network: code, or a map that is its entry}."""
    tree, data = [[None, None]], b""
    for network, entry in entries.items():
        grow(tree, bits_of(network), len(data))
        data += encode({"country": {"iso_code": entry}} if isinstance(entry, str) else entry)
    count = len(tree)
    out = b""
    for node in tree:
        for record in node:
            value = count if record is None else record if isinstance(record, int) else count + 16 + record[1]
            out += struct.pack(">I", value)[1:]
    return out + bytes(16) + data + MARK + encode({
        "node_count": number(UINT32, count), "record_size": number(UINT16, 24), "ip_version": number(UINT16, 6),
        "database_type": "Test-Country", "languages": ["en"], "binary_format_major_version": number(UINT16, 2),
        "binary_format_minor_version": number(UINT16, 0), "build_epoch": number(UINT64, 1),
        "description": {"en": "made by a test"}})


def write(path, entries):
    """In place of the old one, at once."""
    with open(f"{path}.new", "wb") as out:
        out.write(entries if isinstance(entries, bytes) else database(entries))
    os.rename(f"{path}.new", path)
