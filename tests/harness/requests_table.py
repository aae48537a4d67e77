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
                                b"99999999999999999999999999", b"4294967301 ", b",5", b"5,")):
    if value == b"4294967301 ":
        continue
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

ROWS = LENGTHS + CODINGS
