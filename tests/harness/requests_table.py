"""Hostile requests, in groups. See rows.py for what a row says."""
from tests.harness.rows import Got, refused, served

HOST = b"Host: a.example.com\r\n"


def req(*fields, line=b"GET /{id} HTTP/1.1", host=HOST, body=b""):
    """A request of these fields, each without its line's end."""
    return line + b"\r\n" + host + b"".join(f + b"\r\n" for f in fields) + b"\r\n" + body


def post(*fields, body=b""):
    return req(*fields, line=b"POST /{id} HTTP/1.1", body=body)


def posted(body, **more):
    return Got(method=b"POST", body=body, **more)


TE = b"Transfer-Encoding: chunked"
FIVE = b"5\r\nhello\r\n0\r\n\r\n"

LENGTHS = [
    served("a length", "9112 6.2", post(b"Content-Length: 5", body=b"hello"),
           posted(b"hello", has={b"content-length": b"5"}, no=(b"transfer-encoding",))),
    served("a length of zero", "9112 6.2", post(b"Content-Length: 0"), posted(b"")),
    served("a length with zeros before it", "9110 8.6", post(b"Content-Length: 0005", body=b"hello"),
           posted(b"hello", has={b"content-length": b"5"})),
    served("a length with white space around it", "9110 5.5",
           post(b"Content-Length: \t 5 \t", body=b"hello"),
           posted(b"hello", has={b"content-length": b"5"})),
    served("no white space before the length", "9112 5", post(b"Content-Length:5", body=b"hello"),
           posted(b"hello")),
    served("a body that looks like a request", "9112 6.2",
           post(b"Content-Length: 39", body=b"GET /other HTTP/1.1\r\nHost: b.example\r\n\r\n"[:39]),
           posted(b"GET /other HTTP/1.1\r\nHost: b.example\r\n\r\n"[:39])),
    served("GET with a body", "9110 9.3.1", req(b"Content-Length: 5", body=b"hello"),
           Got(body=b"hello")),
    refused("a length and chunked", "9112 6.3", post(b"Content-Length: 5", TE, body=FIVE)),
    refused("chunked and a length", "9112 6.3", post(TE, b"Content-Length: 5", body=FIVE)),
    refused("chunked and a length of zero", "9112 6.3", post(TE, b"Content-Length: 0", body=FIVE)),
    refused("two lengths", "9112 6.3", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!")),
    refused("the same length twice", "9112 6.3",
            post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
    refused("a length in different cases twice", "9110 5.1",
            post(b"Content-Length: 5", b"content-LENGTH: 7", body=b"hello")),
]
for number, value in enumerate((b"5, 5", b"5,5", b"5, 6", b"+5", b"-5", b"-0", b"5a", b"0x5", b"5.0", b"5 0",
                                b"", b" ", b"\"5\"", b"5;", b"1e1", b"\xb2", b"five", b"5\t5",
                                b"18446744073709551616", b"18446744073709551621",
                                b"99999999999999999999999999", b",5", b"5,")):
    LENGTHS.append(refused(f"no length: {value!r}", "9110 8.6",
                           post(b"Content-Length: " + value, body=b"hello")))

CODINGS = [
    served("chunked", "9112 7.1", post(TE, body=FIVE),
           posted(b"hello", has={b"transfer-encoding": b"chunked"}, no=(b"content-length",))),
    served("chunked in capitals", "9112 7", post(b"TRANSFER-ENCODING: CHUNKED", body=FIVE),
           posted(b"hello")),
    refused("chunked in HTTP/1.0", "9112 6.1",
            req(TE, line=b"POST /{id} HTTP/1.0", body=FIVE)),
]
for value in (b"chunked, chunked", b"chunked, gzip", b"chunked,", b",chunked", b"chunked;q=1", b"", b",",
              b"\"chunked\"", b"chunked chunked", b"chunk ed", b"chunked\tx",
              b"[chunked]", b"chunked=1", b"\xa0chunked", b"chunked\x85"):
    CODINGS.append(refused(f"a coding: {value!r}", "9112 6.1",
                           post(b"Transfer-Encoding: " + value, body=FIVE)))
for value in (b"gzip, chunked", b"identity", b"gzip", b"xchunked", b"chunkedx", b"identity, chunked",
              b"deflate, gzip, chunked", b"cow", b"x-chunked", b"'chunked'"):
    CODINGS.append(refused(f"an unknown coding: {value!r}", "9112 6.1",
                           post(b"Transfer-Encoding: " + value, body=FIVE), 501, 400))
CODINGS += [
    refused("chunked in two fields", "9112 6.1", post(TE, TE, body=FIVE)),
    refused("chunked, then identity", "9112 6.1",
            post(TE, b"Transfer-Encoding: identity", body=FIVE)),
    refused("identity, then chunked", "9112 6.1",
            post(b"Transfer-Encoding: identity", TE, body=FIVE), 400, 501),
]

CHUNKS = []
for name, body in (
        ("a size in capitals", b"A\r\n0123456789\r\n0\r\n\r\n"),
        ("a size with zeros before it", b"00000000000000a\r\n0123456789\r\n0\r\n\r\n"),
        ("a last chunk of many zeros", b"a\r\n0123456789\r\n0000\r\n\r\n"),
        ("many chunks", b"".join(b"1\r\n%d\r\n" % i for i in range(10)) + b"0\r\n\r\n"),
        ("an extension", b"a;x\r\n0123456789\r\n0\r\n\r\n"),
        ("an extension with a value", b"a;x=y\r\n0123456789\r\n0;last\r\n\r\n"),
        ("an extension in quotes", b"a;x=\"y; z\"\r\n0123456789\r\n0\r\n\r\n"),
        ("an extension of 256 bytes", b"a;" + b"x" * 256 + b"\r\n0123456789\r\n0\r\n\r\n")):
    CHUNKS.append(served(name, "9112 7.1", post(TE, body=body), posted(b"0123456789")))
CHUNKS.append(served("a chunk that looks like chunks", "9112 7.1",
                     post(TE, body=b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"), posted(b"0\r\n\r\n")))
for name, body in (
        ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"), ("a size with a sign", b"+5\r\nhello\r\n0\r\n\r\n"),
        ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n"), ("no size", b"\r\nhello\r\n0\r\n\r\n"),
        ("a space before the size", b" 5\r\nhello\r\n0\r\n\r\n"),
        ("a space behind the size", b"5 \r\nhello\r\n0\r\n\r\n"),
        ("a tab behind the size", b"5\t\r\nhello\r\n0\r\n\r\n"),
        ("a space before an extension", b"5 ;x\r\nhello\r\n0\r\n\r\n"),
        ("a size that is no number", b"g\r\nhello\r\n0\r\n\r\n"),
        ("a size with a comma", b"5,5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a NUL", b"5\x00\r\nhello\r\n0\r\n\r\n"),
        ("a size in quotes", b"\"5\"\r\nhello\r\n0\r\n\r\n"),
        ("a size of 17 digits", b"00000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a size of 2^64 + 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a size of 2^64 - 1", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("a size of 2^63", b"8000000000000000\r\nhello\r\n0\r\n\r\n"),
        ("a size that ends in LF", b"5\nhello\r\n0\r\n\r\n"),
        ("a size that ends in CR", b"5\rhello\r\n0\r\n\r\n"),
        ("a size that ends in CR CR LF", b"5\r\r\nhello\r\n0\r\n\r\n"),
        ("a chunk longer than its size", b"4\r\nhello\r\n0\r\n\r\n"),
        ("a chunk shorter than its size", b"6\r\nhello\r\n0\r\n\r\n"),
        ("a chunk that ends in LF", b"5\r\nhello\n0\r\n\r\n"),
        ("a chunk that ends in CR", b"5\r\nhello\r0\r\n\r\n"),
        ("a chunk without an end", b"5\r\nhello0\r\n\r\n"),
        ("a last chunk that ends in LF", b"5\r\nhello\r\n0\n\r\n"),
        ("no empty line at the end", b"5\r\nhello\r\n0\r\n"),
        ("an end with LF alone", b"5\r\nhello\r\n0\r\n\n"),
        ("an end with CR alone", b"5\r\nhello\r\n0\r\n\rx"),
        ("an extension with a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("an extension with a bare LF", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("an extension with a NUL", b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
        ("an extension of 257 bytes", b"5;" + b"x" * 257 + b"\r\nhello\r\n0\r\n\r\n"),
        ("an endless extension", b"5;" + b"x" * 20000),
        ("endless small extensions", (b"1;" + b"x" * 250 + b"\r\nh\r\n") * 70 + b"0\r\n\r\n"),
        ("an endless size", b"0" * 1000)):
    CHUNKS.append(refused(name, "9112 7.1", post(TE, body=body)))

IN_TRAILER = "exchange.c client_step: an end in the middle of a trailer line is not seen"
SUM = (b"x-sum", b"1")
TRAILERS = [
    served("a trailer", "9112 7.1.2", post(TE, body=FIVE[:-2] + b"X-Sum: 1\r\n\r\n"),
           posted(b"hello", trailers=(SUM,)), wrong_cut=IN_TRAILER),
    served("an empty trailer", "9112 7.1.2", post(TE, body=FIVE[:-2] + b"X-Sum:\r\n\r\n"),
           posted(b"hello", trailers=((b"x-sum", b""),)), wrong_cut=IN_TRAILER),
    served("a trailer that was announced", "9110 6.6.2",
           post(TE, b"Trailer: X-Sum", body=FIVE[:-2] + b"X-Sum: 1\r\n\r\n"),
           posted(b"hello", trailers=(SUM,), has={b"trailer": b"X-Sum"}), wrong_cut=IN_TRAILER),
]
for field in (b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Host: b", b"Authorization: x",
              b"Connection: close", b"Cookie: a=b", b"Trailer: x", b"X-Forwarded-For: 10.0.0.1",
              b"Expect: 100-continue", b"Upgrade: h2c", b"TE: trailers", b"Content-Type: a/b"):
    TRAILERS.append(served(f"a trailer that is left out: {field.decode()}", "9110 6.5.1",
                           post(TE, body=FIVE[:-2] + field + b"\r\nX-Sum: 1\r\n\r\n"),
                           posted(b"hello", trailers=(SUM,)), wrong_cut=IN_TRAILER))
for name, lines, status in (
        ("with a space before its colon", b"X-Sum : 1\r\n\r\n", 400), ("without a colon", b"X-Sum\r\n\r\n", 400),
        ("without a name", b": 1\r\n\r\n", 400), ("with a fold", b"X-Sum: 1\r\n 2\r\n\r\n", 400),
        ("that ends in LF", b"X-Sum: 1\n\r\n", 400), ("with a bare CR", b"X-Sum: 1\r2\r\n\r\n", 400),
        ("with a NUL", b"X-Sum: \x00\r\n\r\n", 400), ("with an escape", b"X-Sum: \x1b[2J\r\n\r\n", 400),
        ("that is a request line", b"GET /x HTTP/1.1\r\n\r\n", 400),
        ("of 2000 bytes", b"X-Sum: " + b"x" * 2000 + b"\r\n\r\n", 431),
        ("without an end", b"X-Sum: " + b"x" * 20000, 431),
        ("after trailer, more than 8192 bytes", (b"X-Sum: " + b"x" * 500 + b"\r\n") * 17 + b"\r\n", 431)):
    TRAILERS.append(refused(f"a trailer {name}", "9112 7.1.2", post(TE, body=FIVE[:-2] + lines), status,
                            wrong_cut=IN_TRAILER))

LINES = [
    served("an empty line before the request", "9112 2.2", b"\r\n" + req()),
    refused("two empty lines before the request", "9112 2.2", b"\r\n\r\n" + req()),
]
for name, sent in (
        ("LF before the request", b"\n" + req()), ("CR before the request", b"\r" + req()),
        ("a space before the request", b" " + req()), ("a NUL before the request", b"\x00" + req()),
        ("lines that end in LF", req().replace(b"\r\n", b"\n")),
        ("lines that end in CR", req().replace(b"\r\n", b"\r")),
        ("lines that end in LF CR", req().replace(b"\r\n", b"\n\r")),
        ("lines that end in CR CR LF", req().replace(b"\r\n", b"\r\r\n")),
        ("a request line that ends in LF", req().replace(b"\r\n", b"\n", 1)),
        ("a field that ends in LF", req(b"X-A: b\nX-C: d")),
        ("an empty line of LF", req()[:-2] + b"\n"),
        ("an empty line of LF in the middle", req(b"X-A: b\n\nGET /{id} HTTP/1.1")),
        ("a bare CR in a value", req(b"X-A: b\rX-C: d")),
        ("a bare CR before the colon", req(b"X-A\r: b")),
        ("a bare CR in the request line", req(line=b"GET /{id}\r HTTP/1.1")),
        ("CR CR LF behind a field", req(b"X-A: b\r")),
        ("white space between request line and fields", b"GET /{id} HTTP/1.1\r\n \r\n" + HOST + b"\r\n"),
        ("a fold with a space", req(b"X-A: b\r\n c")), ("a fold with a tab", req(b"X-A: b\r\n\tc")),
        ("a fold of white space alone", req(b"X-A: b\r\n \t ")),
        ("the first field folded", b"GET /{id} HTTP/1.1\r\n X-A: b\r\n" + HOST + b"\r\n"),
        ("a folded Host", req(host=b"Host:\r\n a.example.com\r\n")),
        ("a folded length", post(b"Content-Length:\r\n 5", body=b"hello")),
        ("a folded coding", post(b"Transfer-Encoding:\r\n chunked", body=FIVE)),
        ("a fold that hides a coding", post(b"X-A: b\r\n Transfer-Encoding: chunked", body=FIVE))):
    LINES.append(refused(name, "9112 2.2", sent))
for byte in [*range(0, 9), 11, 12, *range(14, 32), 127]:
    LINES.append(refused(f"byte {byte:#04x} in a value", "9110 5.5", req(b"X-A: b%cc" % byte)))
for byte in (0, 1, 9, 11, 27, 127):
    LINES.append(refused(f"byte {byte:#04x} in the target", "9112 3.2", req(line=b"GET /{id}%cx HTTP/1.1" % byte)))
    LINES.append(refused(f"byte {byte:#04x} in the method", "9110 9.1", req(line=b"GE%cT /{id} HTTP/1.1" % byte)))

ROWS = LENGTHS + CODINGS + CHUNKS + TRAILERS + LINES
