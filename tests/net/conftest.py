"""Labs for tests: one a module, since it takes half a second to build and more to trust."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.harness import lab as labs  # noqa: E402
from tests.harness import config  # noqa: E402
from tests.harness.servers import start_servers  # noqa: E402


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="the lab needs root for network namespaces"))


@pytest.fixture(scope="module")
def hook(request):
    """By which hook packets come: a module that says BOTH_HOOKS runs with each."""
    return getattr(request, "param", "xdp")


@pytest.fixture(scope="module")
def lab(hook):  # pylint: disable=redefined-outer-name
    """A lab with servers behind it, no shuntd yet."""
    with labs.Lab(offloads=hook == "tc") as built:
        start_servers(built)
        yield built


@pytest.fixture(scope="module")
def shunt(lab):
    """The lab with shuntd on the fast path."""
    lab.shunt(config.full())
    return lab
