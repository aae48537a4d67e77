"""HTTP/1.1 as strictly as a test needs it: bytes in, whole messages out, every doubt an error.

Both ends of a test read with this what shunt wrote, so nothing here forgives anything.
"""
import dataclasses
import re

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.1\Z")
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*\Z")
CHUNK_SIZE = re.compile(rb"[0-9a-f]{1,16}\Z")


class Broken(Exception):
    """Bytes that are no message of HTTP/1.1."""


@dataclasses.dataclass
class Message:
    """One message. Names of fields are in lower case; status is 0 in requests."""
    method: bytes = b""
    target: bytes = b""
    status: int = 0
    fields: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    raw: bytes = b""

    def all(self, name):
        """The values of all fields of that name."""
        return [value for key, value in self.fields if key == name]

    def one(self, name):
        """The value of the only field of that name, or None."""
        values = self.all(name)
        if len(values) > 1:
            raise Broken(f"{name} stands there {len(values)} times")
        return values[0] if values else None


def parse_field(line):
    """Name and value of one line."""
    name, colon, value = line.partition(b":")
    if not colon or not TOKEN.match(name):
        raise Broken(f"no field: {line[:60]!r}")
    if not VALUE.match(value):
        raise Broken(f"a control byte in {line[:60]!r}")
    return name.lower(), value.strip(b" \t")


def take_chunks(data, at):
    """Body, trailers and where the bytes behind begin; None where the end is not there yet."""
    body = []
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        if not CHUNK_SIZE.match(data[at:end]):
            raise Broken(f"no chunk size: {data[at:end][:60]!r}")
        size = int(data[at:end], 16)
        at = end + 2
        if size == 0:
            break
        if len(data) < at + size + 2:
            return None
        body.append(data[at:at + size])
        if data[at + size:at + size + 2] != b"\r\n":
            raise Broken("a chunk does not end where its size says")
        at += size + 2
    trailers = []
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        line, at = data[at:end], end + 2
        if not line:
            return b"".join(body), trailers, at
        trailers.append(parse_field(line))


def take_head(data):
    """A message without its body, and the head's length; None where the head has no end yet."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = data[:end].split(b"\r\n")
    message = Message(fields=[parse_field(line) for line in lines])
    request, status = REQUEST_LINE.match(first), STATUS_LINE.match(first)
    if request:
        message.method, message.target = request.groups()
    elif status:
        message.status = int(status[1])
    else:
        raise Broken(f"no first line: {first[:80]!r}")
    return message, end + 4


def take(data, asked=None, closed=False):
    """
    The first message in data and its length, or None while it has no end.

    asked: the request's method where data are responses. closed: nothing more will come.
    """
    found = take_head(data)
    if not found:
        return None
    message, at = found
    codings, length = message.all(b"transfer-encoding"), message.one(b"content-length")
    if codings and (codings != [b"chunked"] or length is not None):
        raise Broken(f"the framing is ambiguous: {codings} {length}")
    if length is not None and not length.isdigit():
        raise Broken(f"Content-Length is {length!r}")
    if bool(message.status) != bool(asked):
        raise Broken("a request where a response belongs, or the other way round")
    status = message.status
    if asked and (asked == b"HEAD" or status < 200 or status in (204, 304)):
        if codings and status not in (200, 304):
            raise Broken(f"a coding on {status}")
    elif codings:
        rest = take_chunks(data, at)
        if not rest:
            return None
        message.body, message.trailers, at = rest
    elif length is not None:
        if len(data) < at + int(length):
            return None
        message.body, at = data[at:at + int(length)], at + int(length)
    elif asked:
        if not closed:
            return None
        message.body, at = data[at:], len(data)
    message.raw = data[:at]
    return message, at


def take_all(data, methods, closed=True):
    """All responses in data, the i-th final one to methods[i]; and the bytes left over."""
    out, turn = [], 0
    while data:
        found = take(data, methods[min(turn, len(methods) - 1)], closed)
        if not found:
            break
        message, used = found
        out.append(message)
        data = data[used:]
        turn += message.status >= 200
        if message.status == 101:
            break
    return out, data
