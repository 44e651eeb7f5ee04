"""A shop that others wrote (django-oscar): its users become contacts, its orders engagements.

All that is added to it is a few lines of settings, and a ``conversion.py``. One of it is on the
oldest Python of this machine, one on the newest, with the newest Django that it takes: both are
gone through side by side.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conversion_sync.sandbox import Sandbox
from tests.installation.kit import INSTALLED, LIMIT, Environment, run, schema
from tests.installation.test_wheel import pythons

pytestmark = [pytest.mark.installation, pytest.mark.timeout(LIMIT)]

SETTINGS = """
import oscar
from oscar.defaults import *

INSTALLED_APPS = [*oscar.INSTALLED_APPS, "sorl.thumbnail", "leads"]
SITE_ID = 1
MIDDLEWARE += ["oscar.apps.basket.middleware.BasketMiddleware"]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "oscar.apps.search.context_processors.search_form",
    "oscar.apps.checkout.context_processors.checkout",
    "oscar.apps.communication.notifications.context_processors.notifications",
    "oscar.core.context_processors.metadata",
]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
MAIL = "django.core.mail.backends.locmem.EmailBackend"
if "MAILERS" in globals():  # as of Django 6.1
    MAILERS = {"default": {"BACKEND": MAIL}}
else:
    EMAIL_BACKEND = MAIL
ALLOWED_HOSTS = ["*"]
"""

URLS = """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
"""

#: What is added to the site, and taken away again.
OURS = f"""
{INSTALLED}
CONVERSION_SYNC = {{"API_KEY": "test-key", "BASE_URL": %r, "RATE_LIMIT": 1000}}
"""

OUR_TABLES = ("conversion_sync_", "django_q_")

CONVERSION = """
from django.contrib.auth.models import User
from django.db.models import F, Q
from oscar.apps.order.models import Order

from conversion_sync import mirrors


@mirrors.contact(User)
class Customers(mirrors.Mirror[User]):
    email = F("email")
    include = Q(is_staff=False)
    variables = {"first_name": F("first_name"), "orders": F("orders__number")}
    on_exit = mirrors.UNSUBSCRIBE


@mirrors.engagement(Order)
class Orders(mirrors.Mirror[Order]):
    contact = F("user")
    name = "Order placed"
    occurred_at = F("date_placed")
    data = {
        "total": F("total_incl_tax"),
        "currency": F("currency"),
        "products": lambda order: [line.title for line in order.lines.order_by("pk")],
    }

    def description(self, order: Order) -> str:
        return f"Order {order.number}"
"""

#: A customer of the shop, who goes through its own pages. What it prints: their answers.
CUSTOMER = """
import json, logging
from django.test import Client
from oscar.core.loading import get_model
from oscar.test.factories import create_product

logging.disable()  # a product has no picture
email, does = {email!r}, {does!r}
Country = get_model("address", "Country")
Country.objects.get_or_create(
    iso_3166_1_a2="GB", defaults={{"printable_name": "UK", "is_shipping_country": True}}
)
product = create_product(title="Teapot", price=10, num_in_stock=5)
client, password, answers = Client(), "a horse and 1 staple", {{}}

def note(url, data=None):
    answer = client.get(url, follow=True) if data is None else client.post(url, data, follow=True)
    end = answer.redirect_chain[-1][0] if answer.redirect_chain else url
    answers[url.replace(str(product.pk), "PK").replace(product.slug, "SLUG")] = [
        answer.status_code, end.replace(str(product.pk), "PK").replace(product.slug, "SLUG")
    ]

for url in ("/", "/catalogue/", "/search/?q=tea", "/offers/", "/basket/", "/accounts/login/",
            "/admin/", "/dashboard/", product.get_absolute_url()):
    note(url)
if "register" in does:
    note("/accounts/register/", {{"email": email, "password1": password, "password2": password}})
else:
    note("/accounts/login/", {{"login-username": email, "login-password": password,
                              "login_submit": "1"}})
if "order" in does:
    note(f"/basket/add/{{product.pk}}/", {{"quantity": 2}})
    note("/checkout/shipping-address/", {{"first_name": "Ada", "last_name": "Lovelace",
        "line1": "1 Road", "line4": "London", "postcode": "N1 9RT", "country": "GB"}})
    note("/checkout/payment-details/")
    note("/checkout/preview/", {{"action": "place_order"}})
    note("/accounts/orders/")
if "leave" in does:
    note("/accounts/profile/delete/", {{"password": password}})
print(json.dumps(answers))
"""


class Shop:
    """The site, and what is done in it."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.folder, self.environment = folder, environment
        run([environment.python, "-m", "django", "startproject", "shop_site", "."], folder)
        self.settings = folder / "shop_site" / "settings.py"
        self.settings.write_text(self.settings.read_text() + SETTINGS)
        (folder / "shop_site" / "urls.py").write_text(URLS)
        (folder / "leads").mkdir()
        (folder / "leads" / "__init__.py").touch()

    def manage(self, *command: str) -> str:
        # The shop's own code may use what Django deprecates.
        return run([self.environment.python, "-W", "ignore", "manage.py", *command], self.folder)

    def customer(self, email: str, *does: str) -> dict[str, list[object]]:
        code = CUSTOMER.format(email=email, does=does)
        answers: dict[str, list[object]] = json.loads(
            self.manage("shell", "--no-imports", "--command", code).splitlines()[-1]
        )
        assert {status for status, _ in answers.values()} == {200}, answers
        return answers

    def schema(self) -> set[tuple[str, str, str, str]]:
        return schema(self.folder / "db.sqlite3")


@pytest.fixture
def environments(environment: Environment, wheel: Path, tmp_path: Path) -> list[Environment]:
    """One with the oldest Python, and one with the newest, where there is another."""
    found = [environment]
    if newer := pythons()[1:]:
        (folder := tmp_path / "newest").mkdir()
        found.append(Environment(folder / "venv", newer[-1]))
        found[-1].install(str(wheel))
    return found


def test_a_shop_of_others_is_mirrored_unharmed_and_does_without_again(
    environments: list[Environment], tmp_path: Path
):
    folders = [tmp_path / f"shop{number}" for number in range(len(environments))]
    with ThreadPoolExecutor() as threads:
        for done in [
            threads.submit(_try, *each) for each in zip(folders, environments, strict=True)
        ]:
            done.result()


def _try(folder: Path, environment: Environment) -> None:
    environment.install("django-oscar[sorl-thumbnail]>=4.2,<5")
    folder.mkdir()
    shop = Shop(folder, environment)
    shop.manage("migrate", "--verbosity=0")
    with Sandbox() as box:
        _go_through(shop, box)


def _go_through(shop: Shop, box: Sandbox) -> None:
    before, own_settings = shop.schema(), shop.settings.read_text()
    pages = shop.customer("old@customer.example", "register", "order")
    assert pages["/checkout/preview/"] == [200, "/checkout/thank-you/"]

    # The app comes: settings, conversion.py, migrate.
    shop.settings.write_text(own_settings + OURS % box.base_url)
    (shop.folder / "leads" / "conversion.py").write_text(CONVERSION)
    shop.manage("migrate", "--verbosity=0")
    now = shop.schema()
    assert before <= now
    tables = {table for _, table, _, _ in now - before}
    assert {table for table in tables if not table.startswith(OUR_TABLES)} == set()
    shop.manage("check", "--tag=conversion_sync", "--fail-level=WARNING")
    shop.manage("makemigrations", "--check", "--dry-run")

    # Those there were before come with the backfill; what they did then is past.
    shop.manage("conversion_mirror")
    shop.manage("conversion_push")
    assert set(box.contacts) == {"old@customer.example"}
    assert box.engagements == []

    # A customer goes through the shop's own pages.
    assert shop.customer("ada@customer.example", "register", "order") == pages
    shop.manage("conversion_push")
    [event] = box.engagements
    assert (event["contactEmail"], event["name"]) == ("ada@customer.example", "Order placed")
    assert event["data"]["products"] == ["Teapot"]
    assert (event["data"]["total"], event["data"]["currency"]) == ("20.00", "GBP")
    [number] = box.contacts["ada@customer.example"]["variables"]["orders"]
    assert event["description"] == f"Order {number}"

    # Whoever deletes the account there is unsubscribed.
    shop.customer("ada@customer.example", "leave")
    shop.manage("conversion_push")
    assert box.contacts["ada@customer.example"]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert box.contacts["old@customer.example"]["subscriptionStatus"] != "UNSUBSCRIBED"

    # The app goes: migrate zero, settings.
    shop.manage("migrate", "conversion_sync", "zero", "--verbosity=0")
    shop.manage("migrate", "django_q", "zero", "--verbosity=0")
    shop.settings.write_text(own_settings)
    assert shop.schema() == before
    shop.manage("migrate", "--verbosity=0")
    shop.manage("check")
    arrived = len(box.calls)
    assert shop.customer("eve@customer.example", "register", "order") == pages
    assert len(box.calls) == arrived
