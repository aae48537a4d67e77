"""waiters.py VIP PORT COUNT: keeps so many connections, or attempts at them, until it is killed; those
that end are begun anew. They say nothing."""
import selectors
import socket
import sys


def begin(vip, port, watch):
    sock = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET)
    sock.setblocking(False)
    sock.connect_ex((vip, port))
    watch.register(sock, selectors.EVENT_READ)


def main(vip, port, count):
    watch = selectors.DefaultSelector()
    for _ in range(int(count)):
        begin(vip, int(port), watch)
    while True:
        for key, _ in watch.select():
            watch.unregister(key.fileobj)
            key.fileobj.close()
            begin(vip, int(port), watch)


main(*sys.argv[1:])
