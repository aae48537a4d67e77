"""What the lab's hosts serve: real nginx on port 8000, and origin.py on 8001 for what nginx cannot play
(raw echoes after an upgrade, answers that never come, checksums of uploads)."""
import os
import subprocess

from tests.harness.lab import HARNESS, PYTHON, wait_until

NGINX = """
daemon off; master_process off; pid {dir}/{name}.pid; error_log {dir}/{name}.log;
events {{ worker_connections 2048; }}
http {{
  access_log off; default_type text/plain; keepalive_requests 100000;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
  uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{
    listen [::]:8000 ipv6only=off backlog=1024;
    add_header X-Origin {name};
    location / {{ return 200 "{name} $host $request_uri\\n"; }}
  }}
}}
"""


def start_nginx(lab, host):
    folder = os.path.join(lab.dir, f"nginx-{host}")
    os.mkdir(folder)
    path = lab.file(f"nginx-{host}.conf", NGINX.format(dir=folder, name=host))
    lab.start(host, "nginx", "-p", folder, "-c", path, stderr=subprocess.DEVNULL)


def start_servers(lab, hosts=("web_a", "web_b", "tenant_a", "tenant_b")):
    """Both servers in each host, once they listen."""
    for host in hosts:
        start_nginx(lab, host)
        lab.start(host, PYTHON, os.path.join(HARNESS, "origin.py"), host, "8001")
    for host in hosts:
        wait_until(lambda h=host: {":8000", ":8001"} <= ports(lab, h), f"the servers in {host}")


def ports(lab, host):
    """":8000" for everything that listens there."""
    lines = lab.sh(host, "ss", "-ltnH").stdout.splitlines()
    return {":" + line.split()[3].rsplit(":", 1)[1] for line in lines}
