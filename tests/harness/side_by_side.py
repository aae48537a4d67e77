"""Cases of a module that wait most of their time: each has a daemon of its own, and some of them wait together."""
from concurrent import futures

import pytest

AT_ONCE = 5


class SideBySide:
    """
    The module has `cases = SideBySide(Thing)` and `begun = cases.fixture()`, and each case is

        @cases.add
        def test_a_sentence(thing): ...

    Every test that is to run begins with the module's first one; it ends with its own result.
    """

    def __init__(self, make):
        self.make, self.cases = make, {}

    def add(self, function):
        self.cases[function.__name__] = function

        def test(begun):
            begun[function.__name__].result()
        test.__name__, test.__module__, test.__doc__ = function.__name__, function.__module__, function.__doc__
        return test

    def run(self, function):
        thing = self.make()
        try:
            function(thing)
        finally:
            thing.close()

    def fixture(self):
        @pytest.fixture(name="begun", scope="module")
        def begin(request):
            here = {item.name for item in request.session.items if item.module is request.module}
            with futures.ThreadPoolExecutor(AT_ONCE) as pool:
                yield {name: pool.submit(self.run, case) for name, case in self.cases.items() if name in here}
        return begin
