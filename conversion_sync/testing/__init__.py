"""For the tests of a site: a stand-in of the API, and rows that go there at once.

    class Registration(TestCase):
        def test_who_registers_is_in_conversion(self):
            self.enterContext(sandboxed())
            customer = Customer.objects.create(email="ada@customer.example", first_name="Ada")
            push()
            assert_arrived(customer, variables={"first_name": "Ada"})

It needs no test framework but Django's, and works in a ``TestCase`` as well as with pytest-django,
for which ``conversion_sync.testing.pytest`` has fixtures. Without a sandbox nothing is sent under a
test runner: drains hold their rows, and a call by hand raises. What was called, and what is there,
the sandbox itself says: ``contacts``, ``companies``, ``engagements``, ``calls``; it refuses and
fails as it is told (``fail``).
"""

from conversion_sync.api.permission import CallForbidden
from conversion_sync.test_runner import calls_allowed
from conversion_sync.testing.arrival import assert_arrived, assert_not_mirrored
from conversion_sync.testing.pushing import end_waits, push
from conversion_sync.testing.records import consent_log, sent
from conversion_sync.testing.sandboxes import in_memory, sandbox_settings, sandboxed

__all__ = [
    "CallForbidden",
    "assert_arrived",
    "assert_not_mirrored",
    "calls_allowed",
    "consent_log",
    "end_waits",
    "in_memory",
    "push",
    "sandbox_settings",
    "sandboxed",
    "sent",
]
