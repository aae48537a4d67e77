"""Examples of the documentation: all that is YAML there is a configuration, or completed to one, that holds."""
import pathlib
import re
import shlex

import pytest

from tests.harness import mmdb
from tests.harness.certificates import Authority
from tests.harness.explaining import SHUNTCTL
from tests.harness.run import run

TOP = pathlib.Path(__file__).resolve().parents[2]
SECTIONS = {"node", "log", "dns", "vips", "routes", "upstreams", "vpcs", "certificates", "tests"}
OF_LISTENERS = {"forwarded", "requests", "request_id", "rates"}
OF_MATCHES = {"headers", "cookies", "query"}


def blocks(name):
    """Each block of YAML, with the line on which it begins."""
    text = (TOP / name).read_text(encoding="utf-8")
    for found in re.finditer(r"^```yaml\n(.*?)^```$", text, re.M | re.S):
        yield text[:found.start()].count("\n") + 2, found[1]


EXAMPLES = [(f"{path.relative_to(TOP)}:{line}", text) for path in sorted((TOP / "docs").glob("*.md"))
            for line, text in blocks(path)]


def keys(text):
    return set(re.findall(r"^([a-z_]+):", text, re.M))


def below(head, text, indent):
    return head + "".join(" " * indent + line + "\n" for line in text.splitlines())


def whole(text):
    """The section that a part of one stands for, word by word as it is written."""
    listener = "vips:\n  - name: v\n    addresses: [192.0.2.1]\n"
    if text.startswith("- "):
        return below("routes:\n  web:\n", text, 4)
    if keys(text) <= SECTIONS:
        return text
    if keys(text) == {"listeners"}:
        return listener + below("", text, 4)
    if keys(text) <= OF_LISTENERS:
        return listener + below("    listeners:\n      - port: 80\n        protocol: http\n        routes: web\n", text, 8)
    assert keys(text) <= OF_MATCHES, f"no section is known for {keys(text)}"
    return below("routes:\n  web:\n    - name: r\n      upstream: site\n      match:\n", text, 8)


def rest(text):
    """What it refers to and is not in it."""
    made = set(re.findall(r"^  ([a-z][a-z0-9-]*):", text, re.M))
    wanted = set(re.findall(r"\b(?:upstream|default|failover): ([a-z][a-z0-9-]*)", text))
    servers = '{ address: "192.0.2.9:443", server_id: "0a01" }' if "quic:" in text else '{ address: "192.0.2.9:443" }'
    lines = [f"  {name}: {{ endpoints: [ {servers} ] }}" for name in sorted(wanted - made)]
    out = "upstreams:\n" + "\n".join(lines) + "\n" if lines else ""
    if "routes: web" in text and "web" not in made:
        out += "routes: { web: [ { name: all, respond: { status: 404 } } ] }\n"
    if "tests" in keys(text) and "vips" not in keys(text):
        out += below("vips:\n", "- name: v\n  addresses: [192.0.2.1]\n  listeners:\n"
                     "    - { port: 80, protocol: http, routes: web }\n", 2)
    if "tunnel_address" not in text and "vxlan" in text:
        out += "node: { tunnel_address: 192.0.2.10 }\n"
    return out


@pytest.fixture(scope="module", name="files")
def files_of_examples(tmp_path_factory):
    """What examples name: a certificate, an authority, keys, countries, and a page."""
    folder = tmp_path_factory.mktemp("files")
    Authority(str(folder)).sign("example", ["www.example.com"])
    (folder / "persistence.keys").write_bytes(bytes(range(32)))
    mmdb.write(folder / "countries.mmdb", {"192.0.2.0/24": "DE", "198.51.100.0/24": "US", "2001:db8::/32": "JP"})
    (folder / "closed.html").write_text("<p>Back at noon.</p>\n")
    return folder


@pytest.mark.parametrize("where,text", EXAMPLES, ids=[where for where, _ in EXAMPLES])
def test_an_example_of_the_documentation_holds(where, text, files, tmp_path):
    frame = next(other for at, other in EXAMPLES if other.startswith("# frame.yaml"))
    example = whole(text).replace("/etc/shunt/", f"{files}/")
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "example.yaml").write_text(example)
    if where.startswith("docs/routing.md") and "vips:" not in text:
        (tmp_path / "frame.yaml").write_text(frame)
    elif rest(example):
        (tmp_path / "rest.yaml").write_text(rest(example))
    said = run(SHUNTCTL, "check", str(tmp_path), check=False)
    assert said.returncode == 0, said.stderr


def commands():
    """Each use of shuntctl in the documentation, in code or in a line of its own."""
    for path in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"`(shuntctl [^`]+)`|^(?:    |[ab]# )?(shuntctl [^`\n]*)$", text, re.M):
            for words in re.split("  +#", found[1] or found[2])[0].split(";"):
                yield f"{path.name}:{text[:found.start()].count(chr(10)) + 1}", words.strip()


def test_a_command_of_the_documentation_is_none_of_wrong_usage(tmp_path):
    """They are refused at most, as nobody answers and no file is there."""
    wrong = {}
    nowhere = ["--admin", str(tmp_path / "admin.sock"), "--pin-dir", str(tmp_path / "pins")]
    for where, words in commands():
        named_only = re.fullmatch("shuntctl [a-z -]+", words) or "..." in words
        if words.startswith("shuntctl ") and not named_only:
            said = run(SHUNTCTL, *shlex.split(words)[1:], *nowhere, check=False, cwd=tmp_path)
            if said.returncode not in (0, 1):
                wrong[where] = words, said.stderr
    assert not wrong


def anchors(path):
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^a-z0-9 _-]", "", head.lower()).replace(" ", "-") for head in heads}


def test_links_of_the_documentation_lead_somewhere():
    astray = []
    for path in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]:
        for name, part in re.findall(r"\]\((?!http)([^)#\s]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
            to = path.parent / name if name else path
            if not to.exists() or (part and part not in anchors(to)):
                astray.append(f"{path.name}: {name}#{part}")
    assert not astray
