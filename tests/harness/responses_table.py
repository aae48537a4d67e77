"""Answers of lying endpoints, in groups. See answer_rows.py for what a row says."""
from tests.harness.answer_rows import GET, aborted, answered, passed

OK = b"HTTP/1.1 200 OK\r\nX-Origin: yes\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: 5\r\n"
GOOD = OK + LENGTH + b"\r\nhello"
CHUNKED = OK + TE + b"\r\n"
FIVE = b"5\r\nhello\r\n0\r\n\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
HEAD = GET.replace(b"GET", b"HEAD", 1)
OLD = GET.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
POST = b"POST /{id} HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 5\r\n\r\nhello"
WS = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def ok(*fields, body=b"hello"):
    """An answer of these fields, each without its line's end."""
    return OK + b"".join(f + b"\r\n" for f in fields) + b"\r\n" + body


FRAMINGS = [
    passed("a length", "9112 6.2", GOOD, has={b"content-length": b"5", b"x-origin": b"yes"}),
    passed("a length, then the end", "9112 6.2", GOOD, end="close"),
    passed("a length, to POST", "9112 6.2", GOOD, request=POST),
    passed("chunks", "9112 7.1", CHUNKED + FIVE, has={b"transfer-encoding": b"chunked"}),
    passed("chunks, to HTTP/1.0", "9112 7.1", CHUNKED + FIVE, request=OLD, no=(b"transfer-encoding",)),
    passed("a length, to HTTP/1.0", "9112 6.2", GOOD, request=OLD, has={b"connection": b"close"}),
    passed("until the end", "9112 6.3", ok(), end="close", open_end=True, has={b"transfer-encoding": b"chunked"}),
    passed("until the end, to HTTP/1.0", "9112 6.3", ok(), end="close", open_end=True, request=OLD),
    passed("until the end, nothing", "9112 6.3", ok(body=b""), end="close", open_end=True, body=b""),
    passed("until the end, to HEAD", "9112 6.3", ok(body=b""), request=HEAD, body=b""),
    passed("HTTP/1.0 until the end", "9112 6.3", b"HTTP/1.0 200 OK\r\nX-Origin: yes\r\n\r\nhello", end="close",
           open_end=True),
    passed("HTTP/1.0 with a length", "9112 6.3", b"HTTP/1.0 200 OK\r\nX-Origin: yes\r\n" + LENGTH + b"\r\nhello",
           end="close"),
    passed("HTTP/1.0 that stays", "9112 9.3",
           b"HTTP/1.0 200 OK\r\nX-Origin: yes\r\nConnection: keep-alive\r\n" + LENGTH + b"\r\nhello"),
    passed("Connection: close that stays open", "9112 9.6", ok(b"Connection: close", b"Content-Length: 5")),
    passed("nothing", "9112 6.2", ok(b"Content-Length: 0", body=b""), body=b""),
    passed("no reason", "9112 4", GOOD.replace(b" OK", b" ", 1)),
    passed("no reason and no space", "9112 4", GOOD.replace(b" OK", b"", 1)),
    passed("a reason beyond ASCII", "9112 4", GOOD.replace(b"OK", b"\xc3\xbc", 1)),
    passed("an unknown status", "9110 15", GOOD.replace(b"200", b"299", 1), status=299),
    passed("500", "9110 15.6", GOOD.replace(b"200", b"500", 1), status=500),
    aborted("a short body, then the end", "9112 8", ok(b"Content-Length: 9"), end="close"),
    aborted("a short body, then a reset", "9112 8", ok(b"Content-Length: 9"), end="reset"),
    aborted("a short body, then silence", "9112 8", ok(b"Content-Length: 9"), silent=True),
    aborted("a short body, to HTTP/1.0", "9112 8", ok(b"Content-Length: 9"), end="close", request=OLD),
    aborted("until a reset", "9112 8", ok(), end="reset", open_end=True),
    aborted("until a reset, to HTTP/1.0", "9112 8", ok(), end="reset", request=OLD, open_end=True),
    aborted("chunks without an end", "9112 8", CHUNKED + FIVE[:-5], end="close"),
    aborted("chunks without an end, to HTTP/1.0", "9112 8", CHUNKED + FIVE[:-5], end="close", request=OLD),
    aborted("chunks, then silence", "9112 8", CHUNKED + FIVE[:-5], silent=True),
    answered("both framings", "9112 6.3", ok(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=FIVE)),
    answered("both framings the other way round", "9112 6.3",
             ok(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=FIVE)),
    answered("two lengths", "9112 6.3", ok(b"Content-Length: 5", b"Content-Length: 6")),
    answered("the same length twice", "9112 6.3", ok(b"Content-Length: 5", b"Content-Length: 5")),
    answered("chunks in HTTP/1.0", "9112 6.1", b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n" + FIVE),
    answered("both framings, to HEAD", "9112 6.3",
             ok(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b""), request=HEAD),
]
for value in (b"+5", b"-5", b"5, 5", b"5,6", b"0x5", b"", b"five", b"5 5", b"5.0", b"99999999999999999999", b"18446744073709551621"):
    FRAMINGS.append(answered(f"no length: {value!r}", "9110 8.6", ok(b"Content-Length: " + value)))
for value in (b"gzip", b"identity", b"chunked, chunked", b"chunked, gzip", b"gzip, chunked", b"", b"chunked;q=1", b"xchunked",
              b"\"chunked\""):
    FRAMINGS.append(answered(f"a coding: {value!r}", "9112 6.1", ok(b"Transfer-Encoding: " + value, body=FIVE)))

CHUNKS = [
    passed("a trailer", "9112 7.1.2", CHUNKED + FIVE[:-2] + b"X-Sum: 1\r\n\r\n", trailers=((b"x-sum", b"1"),)),
    passed("a trailer that is left out", "9110 6.5.1",
           CHUNKED + FIVE[:-2] + b"Content-Length: 3\r\nSet-Cookie: a=b\r\n\r\n"),
    passed("an extension", "9112 7.1.1", CHUNKED + b"5;x=\"y\"\r\nhello\r\n0;z\r\n\r\n"),
    passed("many chunks", "9112 7.1", CHUNKED + b"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n2\r\nlo\r\n000\r\n\r\n"),
]
for name, body in (
        ("no size", b"\r\nhello\r\n0\r\n\r\n"), ("a size that is none", b"g\r\nhello\r\n0\r\n\r\n"),
        ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n"), ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a space", b"5 \r\nhello\r\n0\r\n\r\n"), ("a size of 17 digits", b"0" * 17 + b"\r\n"),
        ("a size of 2^64 - 1", b"ffffffffffffffff\r\nhello"), ("a size with LF alone", b"5\nhello\r\n0\r\n\r\n"),
        ("a chunk longer than its size", b"4\r\nhello\r\n0\r\n\r\n"),
        ("a chunk shorter than its size", b"6\r\nhello\r\n0\r\n\r\n"),
        ("a chunk with LF alone", b"5\r\nhello\n0\r\n\r\n"), ("a NUL in a size", b"5\x00\r\nhello\r\n0\r\n\r\n"),
        ("an endless extension", b"5;" + b"x" * 20000), ("an endless size", b"0" * 5000),
        ("an endless trailer", b"0\r\nX: " + b"x" * 20000), ("endless trailers", b"0\r\n" + b"X-A: b\r\n" * 2000),
        ("a folded trailer", b"0\r\nX-A: b\r\n c\r\n\r\n"), ("a trailer without a colon", b"0\r\nX-A\r\n\r\n"),
        ("an answer in place of the last chunk", b"5\r\nhello\r\n" + EVIL), ("an answer in place of trailers", b"0\r\n" + EVIL),
        ("garbage in place of chunks", b"hello, world\r\n")):
    CHUNKS.append(aborted(f"chunks: {name}", "9112 7.1", CHUNKED + body))

# --- heads ---

HEADS = []
for name, answer in (
        ("garbage", b"hello\r\n\r\n"), ("bytes that are no text", bytes(range(1, 64))), ("a NUL", b"\x00"),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), ("a request", GET), ("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x28"),
        ("SETTINGS of HTTP/2", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), ("HTML alone", b"<html>hello</html>\n\n"),
        ("an empty line first", b"\r\n" + GOOD), ("a space first", b" " + GOOD), ("LF first", b"\n" + GOOD),
        ("HTTP/2", GOOD.replace(b"HTTP/1.1", b"HTTP/2", 1)), ("HTTP/2.0", GOOD.replace(b"HTTP/1.1", b"HTTP/2.0", 1)),
        ("HTTP/0.9", GOOD.replace(b"HTTP/1.1", b"HTTP/0.9", 1)), ("HTTP/1.2", GOOD.replace(b"HTTP/1.1", b"HTTP/1.2", 1)),
        ("ICY", GOOD.replace(b"HTTP/1.1", b"ICY", 1)), ("small http", GOOD.replace(b"HTTP", b"http", 1)),
        ("no version", GOOD.replace(b"HTTP/1.1 ", b"", 1)), ("no status", GOOD.replace(b"200 ", b"", 1)),
        ("two spaces", GOOD.replace(b" 200", b"  200", 1)), ("a tab", GOOD.replace(b" 200", b"\t200", 1)),
        ("status 20", GOOD.replace(b"200", b"20", 1)), ("status 2000", GOOD.replace(b"200", b"2000", 1)),
        ("status 099", GOOD.replace(b"200", b"099", 1)), ("status 600", GOOD.replace(b"200", b"600", 1)),
        ("status 000", GOOD.replace(b"200", b"000", 1)), ("status -20", GOOD.replace(b"200", b"-20", 1)),
        ("status 2x0", GOOD.replace(b"200", b"2x0", 1)), ("a NUL in the reason", GOOD.replace(b"OK", b"O\x00K", 1)),
        ("a bare CR in the reason", GOOD.replace(b"OK", b"O\rK", 1)),
        ("lines that end in LF", GOOD.replace(b"\r\n", b"\n")), ("a status line that ends in LF", GOOD.replace(b"\r\n", b"\n", 1)),
        ("an empty line of LF", GOOD.replace(b"\r\n\r\n", b"\r\n\n", 1)), ("CR CR LF", GOOD.replace(b"\r\n", b"\r\r\n", 1)),
        ("a fold", ok(b"X-A: b\r\n c", b"Content-Length: 5")), ("a fold with a tab", ok(b"X-A: b\r\n\tc", b"Content-Length: 5")),
        ("a folded length", ok(b"Content-Length:\r\n 5")), ("a fold in front", b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n"),
        ("a space before a colon", ok(b"Content-Length : 5")), ("no colon", ok(b"hello", b"Content-Length: 5")),
        ("no name", ok(b": x", b"Content-Length: 5")), ("a space in a name", ok(b"X A: b", b"Content-Length: 5")),
        ("a NUL in a value", ok(b"X-A: \x00", b"Content-Length: 5")), ("a NUL in a name", ok(b"X\x00: a", b"Content-Length: 5")),
        ("an escape in a value", ok(b"X-A: \x1b[2J", b"Content-Length: 5")), ("DEL in a value", ok(b"X-A: \x7f", b"Content-Length: 5")),
        ("a bare CR in a value", ok(b"X-A: b\rX-C: d", b"Content-Length: 5")),
        ("a bare LF in a value", ok(b"X-A: b\nX-C: d", b"Content-Length: 5")),
        ("a name beyond ASCII", ok(b"X\xc3\xbc: a", b"Content-Length: 5")),
        ("17 options", ok(b"Connection: " + b",".join(b"x%d" % i for i in range(17)), b"Content-Length: 5")),
        ("101 fields", ok(*[b"X-%d: a" % i for i in range(99)], b"Content-Length: 5")),
        ("endless fields", OK + b"X-A: b\r\n" * 5000), ("an endless field", OK + b"X-A: " + b"x" * 40000),
        ("an endless name", OK + b"X" * 40000), ("an endless reason", b"HTTP/1.1 200 " + b"x" * 40000),
        ("an endless line", b"x" * 40000), ("a head of 17000 bytes", ok(b"X-A: " + b"x" * 17000, b"Content-Length: 5"))):
    HEADS.append(answered(f"head: {name}", "9112 4", answer))
HEADS += [
    passed("100 fields", "9110 5.4", ok(*[b"X-%d: a" % i for i in range(98)], b"Content-Length: 5"), has={b"x-97": b"a"}),
    passed("a head of 15000 bytes", "9110 5.4", ok(b"X-A: " + b"x" * 15000, b"Content-Length: 5"), has={b"x-a": b"x" * 15000}),
    passed("a field that Connection names", "9110 7.6.1", ok(b"Connection: X-A", b"X-A: b", b"Content-Length: 5"), no=(b"x-a",)),
    passed("Connection names the length", "9110 7.6.1", ok(b"Connection: Content-Length", b"Content-Length: 5"),
           has={b"content-length": b"5"}),
    passed("Keep-Alive", "9110 7.6.1", ok(b"Keep-Alive: timeout=5", b"Content-Length: 5"), no=(b"keep-alive",)),
    passed("an Upgrade that is only offered", "9110 7.8", ok(b"Upgrade: h2c", b"Content-Length: 5"), no=(b"upgrade",)),
    answered("nothing, then the end", "9112 8", b"", end="close"),
    answered("nothing, then a reset", "9112 8", b"", end="reset"),
    answered("silence", "9112 8", b"", silent=True),
    answered("half a head, then silence", "9112 8", OK, silent=True),
    answered("half a head, then the end", "9112 8", OK, end="close"),
]

# --- statuses that change what follows ---

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
STATUSES = [
    passed("204", "9110 15.3.5", b"HTTP/1.1 204 No Content\r\nX-Origin: yes\r\n\r\n", status=204, body=b""),
    answered("204 with a length", "9112 6.3", b"HTTP/1.1 204 No Content\r\n" + LENGTH + b"\r\nhello"),
    answered("204 with chunks", "9112 6.1", b"HTTP/1.1 204 No Content\r\n" + TE + b"\r\n" + FIVE),
    passed("204 with bytes behind it", "9112 6.3", b"HTTP/1.1 204 No Content\r\nX-Origin: yes\r\n\r\nhello", status=204,
           body=b"", behind=5),
    passed("304", "9110 15.4.5", b"HTTP/1.1 304 Not Modified\r\nX-Origin: yes\r\n\r\n", status=304, body=b""),
    passed("304 with a length", "9110 8.6", b"HTTP/1.1 304 Not Modified\r\nX-Origin: yes\r\n" + LENGTH + b"\r\n", status=304,
           body=b"", has={b"content-length": b"5"}),
    passed("304 with a body", "9112 6.3", b"HTTP/1.1 304 Not Modified\r\nX-Origin: yes\r\n" + LENGTH + b"\r\nhello", status=304,
           body=b"", behind=5),
    passed("304 with chunks behind it", "9112 6.3", b"HTTP/1.1 304 Not Modified\r\nX-Origin: yes\r\n" + TE + b"\r\n" + FIVE,
           status=304, body=b"", behind=len(FIVE)),
    passed("HEAD", "9110 9.3.2", OK + LENGTH + b"\r\n", request=HEAD, body=b"", has={b"content-length": b"5"}),
    passed("HEAD with a body", "9112 6.3", GOOD, request=HEAD, body=b"", behind=5),
    passed("HEAD with chunks", "9112 6.3", CHUNKED + FIVE, request=HEAD, body=b"", behind=len(FIVE)),
    passed("HEAD and another answer", "9112 6.3", OK + LENGTH + b"\r\n" + EVIL, request=HEAD, body=b"", behind=len(EVIL)),
    passed("205 with a body", "9110 15.3.6", GOOD.replace(b"200", b"205", 1), status=205),
    passed("103, then 200", "9110 15.2", EARLY + GOOD, interims=(103,)),
    passed("100 that nobody waits for", "9110 15.2.1", b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, interims=(100,)),
    passed("an unknown interim answer", "9110 15.2", b"HTTP/1.1 199 x\r\n\r\n" + GOOD, interims=(199,)),
    passed("16 interim answers", "9110 15.2", EARLY * 16 + GOOD, interims=(103,) * 16),
    passed("103 to HTTP/1.0", "9110 15.2", EARLY + GOOD, request=OLD),
    answered("endless interim answers to HTTP/1.0", "9110 15.2", EARLY * 1000, request=OLD),
    # What the client has got already stays: the error comes behind it.
    answered("17 interim answers", "9110 15.2", EARLY * 17 + GOOD, interims=(103,) * 16),
    answered("endless interim answers", "9110 15.2", EARLY * 1000, interims=(103,) * 16),
    answered("103, then garbage", "9110 15.2", EARLY + b"hello\r\n\r\n", interims=(103,)),
    answered("103, then the end", "9110 15.2", EARLY, interims=(103,), end="close"),
    answered("103 with a length", "9112 6.3", b"HTTP/1.1 103 x\r\n" + LENGTH + b"\r\nhello" + GOOD),
    answered("103 with chunks", "9112 6.1", b"HTTP/1.1 103 x\r\n" + TE + b"\r\n" + FIVE + GOOD),
    answered("101 that nobody asked for", "9110 15.2.2", b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + EVIL),
    answered("101 without Upgrade", "9110 15.2.2", b"HTTP/1.1 101 x\r\n\r\n", request=WS),
    answered("101 to another protocol", "9110 15.2.2", b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", request=WS),
    answered("101 in HTTP/1.0", "9110 15.2.2", b"HTTP/1.0 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", request=WS),
    passed("no upgrade after all", "9110 7.8", GOOD, request=WS),
]

BEHIND = []
for name, extra in (("another answer", EVIL), ("two other answers", EVIL * 2), ("garbage", b"hello"), ("an empty line", b"\r\n"),
                    ("a NUL", b"\x00"), ("half an answer", EVIL[:20]), ("many bytes", b"x" * 100000)):
    BEHIND.append(passed(f"behind a length: {name}", "9112 6.3", GOOD + extra, behind=len(extra)))
    BEHIND.append(passed(f"behind chunks: {name}", "9112 6.3", CHUNKED + FIVE + extra, behind=len(extra)))
BEHIND.append(passed("behind an empty body: another answer", "9112 6.3", ok(b"Content-Length: 0", body=EVIL), body=b"",
                     behind=len(EVIL)))

ROWS = FRAMINGS + CHUNKS + HEADS + STATUSES + BEHIND
