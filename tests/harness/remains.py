"""What a lab leaves that nobody closed, found by its names alone: for labs whose keeper was killed."""
import contextlib
import os
import shutil
import signal

from tests.harness.run import run, wait_until


def mounts(kind=None):
    """Mount points, the newest last."""
    with open("/proc/mounts", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return [row[1] for row in rows if kind in (None, row[2])]


def namespaces(prefix, hosts):
    there = run("ip", "netns", "list").stdout.split()
    return [f"{prefix}-{host}" for host in hosts if f"{prefix}-{host}" in there]


def end_processes(prefix, hosts):
    """Whoever is in the lab's namespaces, a person's shells too; not the caller."""
    for name in namespaces(prefix, hosts):
        for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
            if int(pid) != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def remove_cgroup(path):
    """True once it is gone; it is busy for as long as a process in it is ending."""
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.isdir(path)


def clear(prefix, hosts, folder):
    """Each kind of thing by its name; nothing here is an error. The folder goes last."""
    end_processes(prefix, hosts)
    for root in mounts("cgroup2"):
        cgroup = os.path.join(root, prefix)
        wait_until(lambda path=cgroup: remove_cgroup(path), f"{cgroup} is empty")
    for name in namespaces(prefix, hosts):
        run("ip", "netns", "del", name, check=False)
    for mount in reversed(mounts()):
        if mount.startswith(folder + "/"):
            run("umount", "-l", mount, check=False)
    shutil.rmtree(folder, ignore_errors=True)
