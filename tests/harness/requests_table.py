"""Hostile requests, in groups. See rows.py for what a row says."""
from tests.harness.rows import Got, declined, refused, served

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

SUM = (b"x-sum", b"1")
TRAILERS = [
    served("a trailer", "9112 7.1.2", post(TE, body=FIVE[:-2] + b"X-Sum: 1\r\n\r\n"),
           posted(b"hello", trailers=(SUM,))),
    served("an empty trailer", "9112 7.1.2", post(TE, body=FIVE[:-2] + b"X-Sum:\r\n\r\n"),
           posted(b"hello", trailers=((b"x-sum", b""),))),
    served("a trailer that was announced", "9110 6.6.2",
           post(TE, b"Trailer: X-Sum", body=FIVE[:-2] + b"X-Sum: 1\r\n\r\n"),
           posted(b"hello", trailers=(SUM,), has={b"trailer": b"X-Sum"})),
]
for field in (b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Host: b", b"Authorization: x",
              b"Connection: close", b"Cookie: a=b", b"Trailer: x", b"X-Forwarded-For: 10.0.0.1",
              b"Expect: 100-continue", b"Upgrade: h2c", b"TE: trailers", b"Content-Type: a/b"):
    TRAILERS.append(served(f"a trailer that is left out: {field.decode()}", "9110 6.5.1",
                           post(TE, body=FIVE[:-2] + field + b"\r\nX-Sum: 1\r\n\r\n"),
                           posted(b"hello", trailers=(SUM,))))
for name, lines, status in (
        ("with a space before its colon", b"X-Sum : 1\r\n\r\n", 400), ("without a colon", b"X-Sum\r\n\r\n", 400),
        ("without a name", b": 1\r\n\r\n", 400), ("with a fold", b"X-Sum: 1\r\n 2\r\n\r\n", 400),
        ("that ends in LF", b"X-Sum: 1\n\r\n", 400), ("with a bare CR", b"X-Sum: 1\r2\r\n\r\n", 400),
        ("with a NUL", b"X-Sum: \x00\r\n\r\n", 400), ("with an escape", b"X-Sum: \x1b[2J\r\n\r\n", 400),
        ("that is a request line", b"GET /x HTTP/1.1\r\n\r\n", 400),
        ("of 2000 bytes", b"X-Sum: " + b"x" * 2000 + b"\r\n\r\n", 431),
        ("without an end", b"X-Sum: " + b"x" * 20000, 431),
        ("after trailer, more than 8192 bytes", (b"X-Sum: " + b"x" * 500 + b"\r\n") * 17 + b"\r\n", 431)):
    TRAILERS.append(refused(f"a trailer {name}", "9112 7.1.2", post(TE, body=FIVE[:-2] + lines), status))

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

def line(first):
    return req(line=first)


FIRST_LINES = []
for name, first, status in (
        ("two spaces before the target", b"GET  /{id} HTTP/1.1", 400),
        ("two spaces before the version", b"GET /{id}  HTTP/1.1", 400),
        ("a tab before the target", b"GET\t/{id} HTTP/1.1", 400),
        ("a tab before the version", b"GET /{id}\tHTTP/1.1", 400),
        ("a space behind the version", b"GET /{id} HTTP/1.1 ", 400),
        ("a space in the target", b"GET /{id} x HTTP/1.1", 400),
        ("no version", b"GET /{id}", 400), ("a method alone", b"GET", 400), ("no target", b"GET HTTP/1.1", 400),
        ("an empty target", b"GET  HTTP/1.1", 400), ("another word behind", b"GET /{id} HTTP/1.1 x", 400),
        ("a small version", b"GET /{id} http/1.1", 400), ("another protocol", b"GET /{id} HTTPS/1.1", 400),
        ("ICY", b"GET /{id} ICY/1.1", 400), ("HTTP/1.2", b"GET /{id} HTTP/1.2", 505),
        ("HTTP/2.0", b"GET /{id} HTTP/2.0", 505), ("HTTP/0.9", b"GET /{id} HTTP/0.9", 505),
        ("HTTP/3.0", b"GET /{id} HTTP/3.0", 505), ("HTTP/1", b"GET /{id} HTTP/1", 400),
        ("HTTP/1.10", b"GET /{id} HTTP/1.10", 400), ("HTTP/01.1", b"GET /{id} HTTP/01.1", 400),
        ("HTTP/1,1", b"GET /{id} HTTP/1,1", 400), ("HTTP/1.x", b"GET /{id} HTTP/1.x", 400),
        ("HTTP/-1.1", b"GET /{id} HTTP/-1.1", 400), ("HTTP 1.1", b"GET /{id} HTTP 1.1", 400),
        ("a method with a slash", b"GE/T /{id} HTTP/1.1", 400), ("a method in quotes", b"\"GET\" /{id} HTTP/1.1", 400),
        ("a method with a colon", b"GET: /{id} HTTP/1.1", 400), ("a method with brackets", b"G[E]T /{id} HTTP/1.1", 400),
        ("a method beyond ASCII", b"G\xc3\x89T /{id} HTTP/1.1", 400),
        ("a field in place of the request line", b"X-A: b", 400),
        ("a response", b"HTTP/1.1 200 OK", 400)):
    FIRST_LINES.append(refused(f"request line: {name}", "9112 3", line(first), status))
FIRST_LINES += [
    refused("the preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505),
    refused("a ClientHello", "9112 3", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n"),
    refused("a PROXY header nobody asked for", "9112 3",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + req(), 400),
    refused("TRACE with a body", "9110 9.3.8",
            req(b"Content-Length: 5", line=b"TRACE /{id} HTTP/1.1", body=b"hello")),
    declined("CONNECT", "9110 9.3.6", req(line=b"CONNECT a.example.com:80 HTTP/1.1",
                                         host=b"Host: a.example.com:80\r\n"), 405, 501),
    refused("CONNECT without a port", "9110 9.3.6", req(line=b"CONNECT a.example.com HTTP/1.1")),
    refused("CONNECT with a path", "9110 9.3.6", req(line=b"CONNECT /{id} HTTP/1.1")),
    refused("CONNECT with a body", "9110 9.3.6",
            req(b"Content-Length: 5", line=b"CONNECT a.example.com:80 HTTP/1.1",
                host=b"Host: a.example.com:80\r\n", body=b"hello")),
]
for method in (b"get", b"PATCH", b"DELETE", b"PUT", b"OPTIONS", b"M-SEARCH", b"X!#$%&'*+.^_`|~9"):
    FIRST_LINES.append(served(f"the method {method.decode()}", "9110 9.1", line(method + b" /{id} HTTP/1.1"),
                              Got(method=method)))
FIRST_LINES.append(served("HEAD", "9110 9.3.2", line(b"HEAD /{id} HTTP/1.1"), Got(method=b"HEAD")))

# --- targets and Host ---

TARGETS = []
for name, target, arrives in (
        ("dot segments", b"/a/../{id}", b"/{id}"), ("a dot segment", b"/./{id}", b"/{id}"),
        ("a dot at the end", b"/{id}/.", b"/{id}/"), ("two dots at the end", b"/{id}/x/..", b"/{id}/"),
        ("encoded dots", b"/a/%2e%2e/{id}", b"/{id}"), ("half encoded dots", b"/a/%2E./{id}", b"/{id}"),
        ("an encoded dot", b"/%2e/{id}", b"/{id}"), ("three dots", b"/.../{id}", b"/.../{id}"),
        ("dots that go up twice", b"/a/b/../../{id}", b"/{id}"), ("dots in a name", b"/..a/{id}", b"/..a/{id}"),
        ("encoded letters", b"/%41%7e/{id}", b"/A~/{id}"), ("an escape in small letters", b"/%c3%bc/{id}", b"/%C3%BC/{id}"),
        ("an escape of an escape", b"/%252e%252e/{id}", b"/%252e%252e/{id}"), ("two slashes", b"//{id}", b"//{id}"),
        ("two slashes and dots", b"/a//../{id}", b"/a/{id}"), ("an encoded space", b"/%20/{id}", b"/%20/{id}"),
        ("encoded CR LF", b"/%0d%0a/{id}", b"/%0D%0A/{id}"), ("an encoded question mark", b"/%3f/{id}", b"/%3F/{id}"),
        ("an encoded hash", b"/%23/{id}", b"/%23/{id}"), ("overlong dots", b"/%c0%ae%c0%ae/{id}", b"/%C0%AE%C0%AE/{id}"),
        ("an empty query", b"/{id}?", b"/{id}?"), ("dots in the query", b"/{id}?../../x", b"/{id}?../../x"),
        ("a broken escape in the query", b"/{id}?%zz%", b"/{id}?%zz%"), ("two question marks", b"/{id}??x?", b"/{id}??x?"),
        ("an encoded slash in the query", b"/{id}?a%2fb", b"/{id}?a%2fb"),
        ("the absolute form", b"http://a.example.com/{id}", b"/{id}"),
        ("the absolute form with the usual port", b"http://a.example.com:80/{id}", b"/{id}"),
        ("the absolute form in capitals", b"HTTP://A.EXAMPLE.COM/{id}", b"/{id}"),
        ("the absolute form without a path", b"http://a.example.com?{id}", b"/?{id}"),
        ("dots in the absolute form", b"http://a.example.com/x/../{id}", b"/{id}"),
        ("a URL in the path", b"/http://b.example.com/{id}", b"/http://b.example.com/{id}")):
    TARGETS.append(served(f"target: {name}", "3986 6.2.2", line(b"GET " + target + b" HTTP/1.1"),
                          Got(target=arrives, host=target[7:].split(b"/")[0].split(b"?")[0]
                              if target[:4].lower() == b"http" else b"a.example.com")))
TARGETS.append(served("the asterisk", "9112 3.2.4", req(b"X-Id: {id}", line=b"OPTIONS * HTTP/1.1"),
                      Got(method=b"OPTIONS", target=b"*")))
TARGETS.append(served("the asterisk in absolute form", "9112 3.2.4",
                      req(b"X-Id: {id}", line=b"OPTIONS http://a.example.com HTTP/1.1"),
                      Got(method=b"OPTIONS", target=b"*")))
for name, target in (
        ("dots above the root", b"/../{id}"), ("encoded dots above the root", b"/%2e%2e/{id}"),
        ("dots that go up too far", b"/a/../../{id}"), ("an encoded slash", b"/a%2f{id}"),
        ("an encoded slash in capitals", b"/a%2F{id}"), ("an encoded backslash", b"/a%5c{id}"),
        ("an encoded NUL", b"/a%00{id}"), ("a dot segment with parameters", b"/a/..;x/{id}"),
        ("an encoded dot segment with parameters", b"/a/%2e%2e;/{id}"), ("one dot with parameters", b"/.;x/{id}"),
        ("dots around an encoded slash", b"/a/..%2f{id}"), ("an escape without digits", b"/%/{id}"),
        ("an escape of one digit", b"/{id}%4"), ("an escape that is not hexadecimal", b"/%zz/{id}"),
        ("an escape of IIS", b"/%u002e/{id}")):
    TARGETS.append(declined(f"target: {name}", "3986 6.2.2", line(b"GET " + target + b" HTTP/1.1")))
for name, target in (
        ("a fragment", b"/{id}#x"), ("a fragment in the query", b"/{id}?x#y"),
        ("a backslash", b"/a\\{id}"), ("a backslash at the front", b"\\{id}"), ("quotes", b"/\"{id}"),
        ("an angle bracket", b"/<{id}"), ("bytes beyond ASCII", b"/\xc3\xbc{id}"), ("bytes beyond ASCII in the query", b"/{id}?\xff"),
        ("no slash", b"{id}"), ("a query alone", b"?{id}"), ("an asterisk with GET", b"*"),
        ("an asterisk and more", b"*/{id}"), ("host and port with GET", b"a.example.com:80"),
        ("another scheme", b"ftp://a.example.com/{id}"), ("no scheme", b"://a.example.com/{id}"),
        ("a scheme without slashes", b"http:/{id}"), ("an empty host", b"http:///{id}"),
        ("a user", b"http://u@a.example.com/{id}"), ("a user and a password", b"http://u:p@a.example.com/{id}"),
        ("javascript", b"javascript:alert(1)"), ("a port that is none", b"http://a.example.com:x/{id}"),
        ("a host with a backslash", b"http://a.example.com\\@b/{id}"),
        ("an absolute form with another host", b"http://b.example.com/{id}"),
        ("an absolute form with another port", b"http://a.example.com:81/{id}"),
        ("https with another host", b"https://b.example.com/{id}"),
        ("an absolute form with a fragment", b"http://a.example.com/{id}#x")):
    TARGETS.append(refused(f"target: {name}", "9112 3.2", line(b"GET " + target + b" HTTP/1.1")))

HOSTS = [
    refused("no Host", "9112 3.2", req(host=b"")),
    refused("no Host with the absolute form", "9112 3.2",
            req(host=b"", line=b"GET http://a.example.com/{id} HTTP/1.1")),
    refused("the same Host twice", "9112 3.2", req(host=HOST + HOST)),
    refused("two Hosts", "9112 3.2", req(host=HOST + b"Host: b.example.com\r\n")),
    refused("two Hosts in different cases", "9112 3.2", req(host=HOST + b"hOST: b.example.com\r\n")),
    refused("two Hosts with the absolute form", "9112 3.2",
            req(host=HOST + HOST, line=b"GET http://a.example.com/{id} HTTP/1.1")),
    refused("a Host with a space before its colon", "9112 5.1", req(host=b"Host : a.example.com\r\n")),
]
for value in (b"", b"a b", b"a/b", b"u@a.example.com", b"a:80:80", b"a:99999", b"a:0", b"a:-1", b"a:8a", b"a:+80", b":80",
              b"[::1", b"::1", b"[::1]x", b"[::g]", b"[]", b"[127.0.0.1]", b"a,b", b"a?b", b"a#b", b"a\\b", b"\xc3\xbc",
              b"a%00b", b"\"a\"", b"http://a.example.com", b"a;b", b"<a>", b"a" * 300, b"a:65536", b"a:000080"):
    HOSTS.append(refused(f"Host: {value[:40]!r}", "9112 3.2", req(host=b"Host: " + value + b"\r\n")))
for value in (b"[::1]:8080", b"A.Example.COM", b"a.example.com:", b"a.example.com.", b"a_b", b"127.0.0.1:1", b"1"):
    HOSTS.append(served(f"Host: {value!r} is fine", "9112 3.2", req(host=b"Host: " + value + b"\r\n"),
                        Got(host=value)))

# --- fields ---

FIELDS = [
    served("the same field twice", "9110 5.3", req(b"X-A: 1", b"X-A: 2"), Got(has={b"x-a": [b"1", b"2"]})),
    served("an empty value", "9110 5.5", req(b"X-A:", b"X-B: \t "), Got(has={b"x-a": b"", b"x-b": b""})),
    served("a value beyond ASCII", "9110 5.5", req(b"X-A: \xc3\xbc\xff"), Got(has={b"x-a": b"\xc3\xbc\xff"})),
    served("tabs and spaces in a value", "9110 5.5", req(b"X-A:  a \t b  "), Got(has={b"x-a": b"a \t b"})),
    served("colons in a value", "9110 5.5", req(b"X-A::a:b"), Got(has={b"x-a": b":a:b"})),
    served("a name of all letters of a token", "9110 5.6.2", req(b"!#$%&'*+-.^`|~09aZ: b"),
           Got(has={b"!#$%&'*+-.^`|~09az": b"b"})),
    served("all of them but for the underscore's field", "9110 5.6.2", req(b"!#$%&'*+-.^_`|~09aZ: b", b"X-A: b"),
           Got(has={b"x-a": b"b"}, no=(b"!#$%&'*+-.^_`|~09az",))),
    served("names with an underscore are others", "9110 5.1", req(b"Transfer_Encoding: chunked", b"Content_Length: 5"),
           Got(no=(b"transfer-encoding", b"content-length", b"transfer_encoding", b"content_length"))),
]
for name in (b"X-A ", b"X-A\t", b"Content-Length ", b"Transfer-Encoding\t", b"", b"X A", b"X(A", b"X)A", b"X<A", b"X@A", b"X,A",
             b"X;A", b"X\\A", b"\"X\"", b"X/A", b"[X]", b"X?A", b"X=A", b"{X}", b"X\xc3\xbc", b"X\x00", b"X\x0b", b"X\x7f",
             b"Transfer-Encoding\x00", b"\x0bTransfer-Encoding", b"Transfer-Encoding\xa0"):
    FIELDS.append(refused(f"a name: {name!r}", "9112 5.1", post(name + b": chunked", body=FIVE)))
FIELDS.append(refused("a line without a colon", "9112 5", req(b"X-A")))
FIELDS.append(refused("a second request line", "9112 5", req(b"GET /{id}x HTTP/1.1")))

MINE = b"127.0.0.1"
HOPS = []
for name, fields, has, no in (
        ("a field that Connection names", (b"Connection: X-A", b"X-A: b"), {}, (b"x-a", b"connection")),
        ("fields that Connection names", (b"Connection: x-a ,,\tX-B", b"X-A: b", b"X-B: c", b"X-C: d"),
         {b"x-c": b"d"}, (b"x-a", b"x-b")),
        ("fields that two Connections name", (b"Connection: X-A", b"X-A: b", b"Connection: X-B", b"X-B: c"), {},
         (b"x-a", b"x-b")),
        ("a field before the Connection that names it", (b"X-A: b", b"Connection: X-A"), {}, (b"x-a",)),
        ("all of a field that Connection names", (b"X-A: b", b"x-a: c", b"Connection: X-a"), {}, (b"x-a",)),
        ("Connection names Host", (b"Connection: Host",), {}, ()),
        ("Connection names X-Forwarded-For", (b"Connection: X-Forwarded-For", b"X-Forwarded-For: 10.0.0.1"),
         {b"x-forwarded-for": MINE}, ()),
        ("Connection names Via", (b"Connection: Via", b"Via: 1.1 a"), {b"via": b"1.1 shunt"}, ()),
        ("Connection names Connection", (b"Connection: Connection",), {}, (b"connection",)),
        ("Connection names what is not there", (b"Connection: X-Q",), {}, (b"connection",)),
        ("an empty Connection", (b"Connection:",), {}, (b"connection",)),
        ("Connection of commas", (b"Connection: ,, ,",), {}, (b"connection",)),
        ("Keep-Alive", (b"Connection: keep-alive", b"Keep-Alive: timeout=5"), {}, (b"keep-alive", b"connection")),
        ("Keep-Alive that nobody names", (b"Keep-Alive: timeout=5",), {}, (b"keep-alive",)),
        ("Proxy-Connection", (b"Proxy-Connection: keep-alive",), {}, (b"proxy-connection",)),
        ("TE", (b"TE: gzip",), {}, (b"te",)),
        ("TE with trailers", (b"TE: trailers", b"Connection: TE"), {b"te": b"trailers", b"connection": b"TE"}, ()),
        ("TE with more than trailers", (b"TE: gzip, trailers;q=0.5, trailers",), {b"te": b"trailers"}, ()),
        ("Upgrade to h2c", (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"), {},
         (b"upgrade", b"http2-settings", b"connection")),
        ("Upgrade that Connection does not name", (b"Upgrade: websocket",), {}, (b"upgrade",)),
        ("Upgrade to TLS", (b"Connection: Upgrade", b"Upgrade: TLS/1.0"), {}, (b"upgrade",)),
        ("Connection: upgrade alone", (b"Connection: upgrade",), {}, (b"upgrade", b"connection")),
        ("two Upgrades", (b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c"), {}, (b"upgrade",)),
        ("X-Forwarded-For of a stranger", (b"X-Forwarded-For: 10.0.0.1",), {b"x-forwarded-for": MINE}, ()),
        ("X-Forwarded-Proto of a stranger", (b"X-Forwarded-Proto: https",), {b"x-forwarded-proto": b"http"}, ()),
        ("X-Forwarded-Host of a stranger", (b"X-Forwarded-Host: evil",), {b"x-forwarded-host": b"a.example.com"}, ()),
        ("Via of a stranger", (b"Via: 1.0 fred",), {b"via": b"1.1 shunt"}, ()),
        ("Forwarded of a stranger", (b"Forwarded: for=10.0.0.1",), {}, (b"forwarded",)),
        ("Expect without a body", (b"Expect: 100-continue",), {}, (b"expect",)),
        ("Trailer without chunks", (b"Trailer: X-A",), {}, (b"trailer",))):
    HOPS.append(served(name, "9110 7.6.1", req(*fields), Got(has=has, no=no)))
HOPS += [
    served("Connection names the length", "9110 7.6.1",
           post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"), posted(b"hello")),
    served("Connection names the coding", "9110 7.6.1",
           post(b"Connection: Transfer-Encoding", TE, body=FIVE), posted(b"hello")),
    served("16 options", "9110 7.6.1", req(b"Connection: " + b",".join(b"x-%d" % i for i in range(16)), b"X-15: a"),
           Got(no=(b"x-15",))),
    refused("17 options", "9110 7.6.1", req(b"Connection: " + b",".join(b"x-%d" % i for i in range(17)))),
    refused("an option in quotes", "9110 7.6.1", req(b"Connection: \"close\"")),
    refused("an option with a space", "9110 7.6.1", req(b"Connection: close x")),
    refused("an option with a value", "9110 7.6.1", req(b"Connection: close=1")),
    served("Connection: close", "9112 9.6", req(b"Connection: close"), closes=True),
    served("Connection: close among others", "9112 9.6", req(b"Connection: keep-alive, CLOSE"), closes=True),
    served("close in the second Connection", "9112 9.6", req(b"Connection: keep-alive", b"Connection: close"), closes=True),
]

WS = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: x")
OTHERS = [
    served("WebSocket", "6455 4.1", req(*WS), Got(has={b"upgrade": b"websocket", b"connection": b"Upgrade"}),
           tunnel=True),
    served("WebSocket and h2c", "6455 4.1", req(b"Connection: Upgrade", b"Upgrade: h2c, websocket"),
           Got(has={b"upgrade": b"websocket"}), tunnel=True),
    served("WebSocket with POST", "6455 4.1", post(*WS), posted(b"", no=(b"upgrade",))),
    served("WebSocket with a body", "6455 4.1", req(*WS, b"Content-Length: 5", body=b"hello"),
           Got(body=b"hello", no=(b"upgrade",))),
    served("WebSocket in HTTP/1.0", "9110 7.8", req(*WS, line=b"GET /{id} HTTP/1.0"), Got(no=(b"upgrade",)), closes=True),
    served("HTTP/1.0", "9112 9.3", line(b"GET /{id} HTTP/1.0"), Got(has={b"via": b"1.0 shunt"}), closes=True),
    served("HTTP/1.0 without Host", "9112 3.2", req(host=b"", line=b"GET /{id} HTTP/1.0"), Got(host=b""), closes=True),
    served("HTTP/1.0 that stays", "9112 C.2.2", req(b"Connection: keep-alive", line=b"GET /{id} HTTP/1.0")),
    served("HTTP/1.0 that stays and closes", "9112 9.3",
           req(b"Connection: keep-alive, close", line=b"GET /{id} HTTP/1.0"), closes=True),
    served("HTTP/1.0 with a length", "9112 6.2",
           req(b"Content-Length: 5", line=b"POST /{id} HTTP/1.0", body=b"hello"), posted(b"hello"), closes=True),
    served("HTTP/1.0 with Expect", "9110 10.1.1",
           req(b"Expect: 100-continue", b"Content-Length: 5", line=b"POST /{id} HTTP/1.0", body=b"hello"),
           posted(b"hello", no=(b"expect",)), closes=True),
    refused("two Hosts in HTTP/1.0", "9112 3.2", req(host=HOST + HOST, line=b"GET /{id} HTTP/1.0")),
    served("Expect with a body", "9110 10.1.1", post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
           posted(b"hello", has={b"expect": b"100-continue"}), interims=None),
    served("Expect with chunks", "9110 10.1.1", post(b"expect: 100-CONTINUE", TE, body=FIVE), posted(b"hello"),
           interims=None),
]
for value in (b"100-continue, x", b"x", b"", b"200-ok", b"100-continue;q=1", b"\"100-continue\"", b"100-continue 100-continue"):
    OTHERS.append(refused(f"Expect: {value!r}", "9110 10.1.1",
                          post(b"Expect: " + value, b"Content-Length: 5", body=b"hello"), 417))
OTHERS.append(refused("Expect twice", "9110 10.1.1", post(b"Expect: 100-continue", b"Expect: 100-continue",
                                                           b"Content-Length: 5", body=b"hello"), 417))

A, BAD = req(), req(b"X-A : b")
PIPELINES = [
    served("two requests", "9112 9.3.2", A + req(line=b"GET /{id}/2 HTTP/1.1"), Got(), Got(target=b"/{id}/2")),
    served("ten requests", "9112 9.3.2", b"".join(req(line=b"GET /{id}/%d HTTP/1.1" % i) for i in range(10)),
           *[Got(target=b"/{id}/%d" % i) for i in range(10)]),
    served("GET, POST, GET", "9112 9.3.2", A + post(b"Content-Length: 5", body=b"hello") + A, Got(), posted(b"hello"), Got()),
    served("chunks, then GET", "9112 9.3.2", post(TE, body=FIVE) + A, posted(b"hello"), Got()),
    served("HEAD, then GET", "9112 9.3.2", req(line=b"HEAD /{id} HTTP/1.1") + A, Got(method=b"HEAD"), Got()),
    served("an empty line between two", "9112 2.2", A + b"\r\n" + A, Got(), Got()),
    served("one empty line too much behind a body", "9112 2.2",
           post(b"Content-Length: 5", body=b"hello\r\n") + A, posted(b"hello"), Got()),
    served("the first closes", "9112 9.6", req(b"Connection: close") + A, closes=True),
    served("HTTP/1.0 and another", "9112 9.3", line(b"GET /{id} HTTP/1.0") + A, closes=True),
    refused("a good and a bad one", "9112 9.3.2", A + BAD + A, got=[Got()]),
    refused("two good and a bad one", "9112 9.3.2", A + post(TE, body=FIVE) + BAD, got=[Got(), posted(b"hello")]),
    refused("bytes behind a body", "9112 6.3", post(b"Content-Length: 5", body=b"hellox") + b" " + A, got=[posted(b"hello")]),
    refused("a body of GET that has no length", "9112 6.3", req(body=b"\x00hello"), got=[Got()]),
    refused("a smuggled request behind two framings", "9112 6.3",
            post(b"Content-Length: 4", TE, body=b"1c\r\nGET /{id}x HTTP/1.1\r\nX: y\r\n0\r\n\r\n")),
    refused("a smuggled request behind a last chunk", "9112 7.1",
            post(TE, body=b"0\r\n") + A),
    refused("a smuggled coding behind a bare CR", "9112 2.2",
            post(b"Content-Length: 5", b"X: y\rTransfer-Encoding: chunked", body=FIVE)),
    refused("a smuggled coding behind a vertical tab", "9112 6.1",
            post(b"Content-Length: 5", b"Transfer-Encoding:\x0bchunked", body=FIVE)),
]

def filler(count, size):
    return [b"X-%03d: " % i + b"x" * (size - 9) for i in range(count)]


LONG = 8192 - len(b"GET / HTTP/1.1") - 10
LIMITS = [
    served("a request line of 8192 bytes", "9112 3", line(b"GET /{id}" + b"x" * LONG + b" HTTP/1.1"),
           Got(target=b"/{id}" + b"x" * LONG)),
    refused("a request line of 8193 bytes", "9112 3", line(b"GET /{id}" + b"x" * (LONG + 1) + b" HTTP/1.1"), 414),
    refused("an endless target", "9112 3", b"GET /" + b"x" * 20000, 414),
    refused("an endless method", "9112 3", b"G" * 20000, 414),
    refused("an endless version", "9112 3", b"GET /{id} HTTP/1." + b"1" * 20000, 414),
    served("100 fields", "9110 5.4", req(*filler(99, 20)), Got(has={b"x-098": b"x" * 11})),
    refused("101 fields", "6585 5", req(*filler(100, 20)), 431),
    refused("endless fields", "6585 5", b"GET /{id} HTTP/1.1\r\n" + b"a:\r\n" * 20000, 431),
    refused("a field of 20000 bytes", "6585 5", req(b"X-A: " + b"x" * 20000), 431),
    refused("a name of 20000 bytes", "6585 5", req(b"X" * 20000), 431),
    served("a head of 15000 bytes", "9110 5.4", req(*filler(10, 1490)), Got(has={b"x-009": b"x" * 1481})),
    refused("a head of 16500 bytes", "6585 5", req(*filler(10, 1645)), 431),
    refused("endless white space in a value", "6585 5", req(b"X-A:" + b" " * 20000), 431),
]

ROWS = (LENGTHS + CODINGS + CHUNKS + TRAILERS + LINES + FIRST_LINES + TARGETS + HOSTS + FIELDS + HOPS + OTHERS
        + PIPELINES + LIMITS)
