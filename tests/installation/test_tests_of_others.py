"""An app that others wrote, with customers and orders, and its own tests (django-plans).

They end with this app as they do without it, while its users are contacts, and its orders
engagements. The shop of the other test (django-oscar) has no tests in what is published of it,
neither in the wheel nor in the source.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.installation.kit import INSTALLED, LIMIT, Environment, run, schema

pytestmark = [pytest.mark.installation, pytest.mark.timeout(LIMIT)]

SETTINGS = """
from decimal import Decimal

INSTALLED_APPS += ["django.contrib.sites", "ordered_model", "sequences", "plans", "leads"]
SITE_ID = 1
TEST_RUNNER = "leads.runner.Runner"
PLANS_CURRENCY, PLANS_TAX, PLANS_TAX_COUNTRY = "EUR", Decimal("23.0"), "PL"
PLANS_TAXATION_POLICY = "plans.taxation.ru.RussianTaxationPolicy"
PLANS_INVOICE_ISSUER = {
    "issuer_name": "Shop", "issuer_street": "1 Road", "issuer_zipcode": "00-001",
    "issuer_city": "Town", "issuer_country": "PL", "issuer_tax_number": "PL123456789",
}
"""

URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("plan/", include("plans.urls")),
    path("accounts/", include("django.contrib.auth.urls")),
]
"""

#: Writes down which tests ran, and how those ended that did not pass.
RUNNER = """
import json
from pathlib import Path
from django.test.runner import DiscoverRunner

class Runner(DiscoverRunner):
    def suite_result(self, suite, result, **more):
        ended = {"failure": result.failures, "error": result.errors}
        bad = {test.id(): how for how, pairs in ended.items() for test, _ in pairs}
        Path("result.json").write_text(json.dumps([result.testsRun, bad]))
        return 0
"""

CONVERSION = """
from django.contrib.auth.models import User
from django.db.models import F, Q
from plans.models import Order

from conversion_sync import mirrors


@mirrors.contact(User)
class Customers(mirrors.Mirror[User]):
    email = F("email")
    variables = {
        "first_name": F("first_name"),
        "plan": F("userplan__plan__name"),
        "orders": lambda user: user.order_set.count(),
    }
    depends_on = ("order",)
    on_exit = mirrors.DELETE


@mirrors.engagement(Order)
class Orders(mirrors.Mirror[Order]):
    contact = F("user")
    include = Q(status=Order.STATUS.COMPLETED)
    name = "Plan bought"
    data = {"plan": F("plan__name"), "amount": F("amount")}

    def description(self, order: Order) -> str:
        return f"Order {order.pk}"
"""

#: A test of the site's own, which runs with the others.
OWN_TEST = """
from django.contrib.auth.models import User
from django.test import TestCase
from model_bakery import baker

from conversion_sync.testing import assert_arrived, push, sandboxed


class InConversion(TestCase):
    def test_a_customer_and_an_order(self):
        box = self.enterContext(sandboxed())
        user = baker.make(User, email="ada@customer.example", first_name="Ada")
        baker.make("UserPlan", user=user, plan__name="Small")
        pricing = baker.make("PlanPricing", plan__name="Large", pricing__period=30)
        order = baker.make(
            "Order", user=user, plan=pricing.plan, pricing=pricing.pricing, amount=10
        )
        push()
        assert_arrived(user, variables={"first_name": "Ada", "plan": "Small", "orders": 1})
        self.assertEqual(box.engagements, [])
        order.complete_order()
        push()
        assert_arrived(user, variables={"plan": "Large"})
        [event] = box.engagements
        self.assertEqual((event["contactEmail"], event["name"]), (user.email, "Plan bought"))
        self.assertEqual((event["data"]["plan"], event["data"]["amount"]), ("Large", "10.00"))
"""

#: The modules of its tests: of pages, orders and accounts; none that asks a service of others.
MODULES = (
    "admin_autorenew",
    "autorenew_accounts",
    "autorenew_schedule",
    "business_dates",
    "default_plan_flag",
    "extend_other_plan",
    "gross_amount",
    "plan_autorenew_at",
    "plan_slug",
    "recurring_disarm",
    "task_contracts",
    "views",
)


class Site:
    """A site that has the app of others, a copy of its tests, and a database of its own."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.folder, self.python = folder, environment.python
        folder.mkdir()
        run([self.python, "-m", "django", "startproject", "shop_site", "."], folder)
        (folder / "shop_site" / "urls.py").write_text(URLS)
        (folder / "leads").mkdir()
        (folder / "leads" / "__init__.py").touch()
        (folder / "leads" / "runner.py").write_text(RUNNER)
        self._copy(folder / "its_tests")
        self.add(SETTINGS)
        self.manage("migrate", "--verbosity=0")

    def _copy(self, target: Path) -> None:
        """Copy modules of its tests: the package that they are in needs what can't be had."""
        find = "import plans; print(plans.__path__[0])"
        package = Path(run([self.python, "-c", find], self.folder).strip())
        target.mkdir()
        (target / "__init__.py").touch()
        for name in MODULES:
            shutil.copy(package / "tests" / f"test_{name}.py", target)

    def add(self, settings: str) -> None:
        path = self.folder / "shop_site" / "settings.py"
        path.write_text(path.read_text() + settings)

    def manage(self, *command: str) -> str:
        return run([self.python, "-W", "ignore", "manage.py", *command], self.folder)

    def test(self, *labels: str) -> tuple[int, dict[str, str]]:
        """How many tests ran, and how those ended that did not pass."""
        self.manage("test", "--verbosity=0", *labels)
        count, bad = json.loads((self.folder / "result.json").read_text())
        return count, bad

    def schema(self) -> set[tuple[str, str, str, str]]:
        return schema(self.folder / "db.sqlite3")


@pytest.fixture
def sites(wheel: Path, tmp_path: Path) -> Sequence[Site]:
    """One without this app, and one that gets it."""
    environment = Environment(tmp_path / "venv", sys.executable)
    environment.install(str(wheel), "django-plans>=2.8,<3", "model-bakery", "freezegun")
    return [Site(tmp_path / name, environment) for name in ("without", "with")]


def test_the_tests_of_an_app_of_others_end_as_without_this_one(sites: Sequence[Site]):
    without, mirrored = sites
    before = mirrored.schema()
    mirrored.add(INSTALLED)
    (mirrored.folder / "leads" / "conversion.py").write_text(CONVERSION)
    (mirrored.folder / "leads" / "tests.py").write_text(OWN_TEST)
    mirrored.manage("migrate", "--verbosity=0")
    assert before <= mirrored.schema()
    mirrored.manage("check", "--tag=conversion_sync", "--fail-level=ERROR")

    with ThreadPoolExecutor() as threads:
        plain = threads.submit(without.test, "its_tests")
        count, bad = mirrored.test("its_tests", "leads")
        expected, known = plain.result()
    # What fails without it is its own. It makes values up: what differs is tried once more.
    if worse := sorted({*bad} - {*known}):
        _count, again = mirrored.test(*worse)
        assert again == {}
    assert count == expected + 1
    assert expected - len(known) > 100
