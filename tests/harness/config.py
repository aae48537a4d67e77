"""Configurations for the lab. Bulk overruns the short queues of veth devices and takes SYNs along, so that
endpoints have a minute to be reached: time-outs are for tests that are about them."""
import pytest

# As pytestmark of a module: its tests run with XDP, then with tc and all offloads.
BOTH_HOOKS = pytest.mark.parametrize("hook", ["xdp", "tc"], indirect=True, scope="module")

def l4_endpoints(names, port):
    return "\n".join(
        f'      - {{ address: "172.16.0.4:{port}", vpc: {name}, host: 192.0.3.21, mac: "02:00:00:00:00:04" }}'
        for name in names) or "      []"


def full(l4=("a", "b"), extra_routes="", tunnel="1h", web_b="10.0.2.2:8000", head="10m",
         node=("192.0.2.10", "2001:db8:2::10"), health="", echo_health=""):
    """All kinds of listeners; l4 names the tenants behind the L4 vip. Port 8000 is nginx everywhere,
    8001 is origin.py. health: of the upstream l4, such as "health: { tcp: true }"; echo_health: of l4-echo."""
    return f"""
node:
  name: lab
  devices: [eth0]
  tunnel_address: {node[0]}
  source_addresses: [{node[0]}, "{node[1]}"]
vpcs:
  a: {{ vni: 5001 }}
  b: {{ vni: 5002 }}
vips:
  - name: web
    addresses: [203.0.113.10, "2001:db8:53::10"]
    listeners:
      - {{ port: 80, protocol: http, routes: web, timeouts: {{ head: {head}, tunnel: {tunnel} }} }}
      - {{ port: 443, protocol: tls-passthrough, sni: {{ tls.example.com: tls, "*.v6.example.com": tls6 }} }}
  - name: stream
    addresses: [203.0.113.11]
    listeners:
      - {{ port: 7000, protocol: tcp-proxy, upstream: odd, timeouts: {{ tunnel: {tunnel} }} }}
  - name: stream6
    addresses: ["2001:db8:53::11"]
    listeners:
      - {{ port: 7000, protocol: tcp-proxy, upstream: odd6, timeouts: {{ tunnel: {tunnel} }} }}
  - name: l4
    addresses: [203.0.113.53, "2001:db8:53::53"]
    listeners:
      - {{ port: 8000, protocol: tcp, upstream: l4, forward: vxlan }}
      - {{ port: 8001, protocol: tcp, upstream: l4-echo, forward: vxlan }}
routes:
  web:
    {extra_routes}
    - {{ name: stream, match: {{ path: /stream }}, upstream: odd, splice: connection }}
    - {{ name: stream6, match: {{ host: v6.example.com, path: /stream }}, upstream: odd6, splice: connection }}
    - {{ name: websocket6, match: {{ path: /ws6 }}, upstream: odd6 }}
    - {{ name: slow, match: {{ path: /slow }}, upstream: odd, timeout: 300ms }}
    - {{ name: websocket, match: {{ path: /ws }}, upstream: odd }}
    - {{ name: up, match: {{ path: /up }}, upstream: odd }}
    - {{ name: big, match: {{ path: /big/* }}, upstream: odd }}
    - {{ name: chunked, match: {{ path: /chunked }}, upstream: odd }}
    - {{ name: dead, match: {{ path: /dead }}, upstream: dead }}
    - {{ name: empty, match: {{ path: /empty }}, upstream: empty }}
    - {{ name: old, match: {{ path: /old/* }}, redirect: {{ status: 301, to: "https://www.example.com/" }} }}
    - {{ name: b-path, match: {{ host: a.example.com, path: /b/* }}, upstream: b }}
    - {{ name: a, match: {{ host: a.example.com }}, upstream: a }}
    - {{ name: b, match: {{ host: b.example.com }}, upstream: b }}
upstreams:
  a: {{ connect_timeout: 60s, endpoints: [ {{ address: "10.0.1.2:8000" }} ] }}
  odd: {{ connect_timeout: 60s, endpoints: [ {{ address: "10.0.1.2:8001" }} ] }}
  odd6: {{ connect_timeout: 60s, endpoints: [ {{ address: "[2001:db8:a::2]:8001" }} ] }}
  b: {{ connect_timeout: 60s, endpoints: [ {{ address: "{web_b}" }} ] }}
  tls: {{ connect_timeout: 60s, endpoints: [ {{ address: "10.0.2.2:8443" }} ] }}
  tls6: {{ connect_timeout: 60s, endpoints: [ {{ address: "[2001:db8:b::2]:8443" }} ] }}
  dead: {{ connect_timeout: 1m, endpoints: [ {{ address: "10.0.1.2:9" }} ] }}
  empty: {{ endpoints: [] }}
  l4:
    balance: maglev
    {health}
    endpoints:
{l4_endpoints(l4, 8000)}
  l4-echo:
    balance: maglev
    {echo_health}
    endpoints:
{l4_endpoints(l4, 8001)}
"""


SECOND = ("192.0.4.10", "2001:db8:4::10")  # node of lb2
