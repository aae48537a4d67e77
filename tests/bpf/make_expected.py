#!/usr/bin/python3
"""Writes expected.h: what scapy builds for the wrapped packets of test_xdp_ingress.c.

    tests/bpf/make_expected.py > tests/bpf/expected.h
"""
from scapy.all import IP, TCP, UDP, VXLAN, Ether, IPv6, raw


def outer(inner):
    frame = (Ether(dst="02:00:00:00:00:09", src="02:00:00:00:00:08")
             / IP(src="192.0.2.10", dst="192.0.3.21", ttl=64, flags="DF", id=0)
             / UDP(sport=49152, dport=4789, chksum=0) / VXLAN(vni=5001, flags=0x08)
             / Ether(dst="02:00:00:00:00:04", src="02:73:68:75:6e:00") / inner)
    return raw(frame)


def tcp():
    return TCP(sport=4000, dport=8000, flags="S", seq=1, ack=0, window=1000)


def show(name, data):
    rows = [", ".join(f"0x{b:02x}" for b in data[i:i + 12]) for i in range(0, len(data), 12)]
    print(f"static const uint8_t {name}[] = {{\n\t" + ",\n\t".join(rows) + ",\n};")


print("/* Made by make_expected.py. clang-format off: it is a table. */\n/* clang-format off */")
show("expected_v4", outer(IP(src="198.51.100.2", dst="203.0.113.53", ttl=63, id=0) / tcp()))
show("expected_v6", outer(IPv6(src="2001:db8:1::2", dst="2001:db8:53::53", hlim=63) / tcp()))
