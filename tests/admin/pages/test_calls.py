"""The call log: from a call to its rows and back, and only to be read."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.models import ApiCall, Contact
from tests.admin.conftest import BASE, state


@pytest.fixture
def call(db):
    return ApiCall.objects.create(
        endpoint="POST /contacts/batch",
        rows=2,
        started_at=timezone.now(),
        duration_ms=132,
        http_status=400,
        error_code="VALIDATION_ERROR",
        error_message="not a valid phone",
    )


def url(call):
    return f"{BASE}/apicall/{call.pk}/change/"


def page(client, call):
    answer = client.get(url(call))
    assert answer.status_code == 200
    return answer


def test_a_call_leads_to_its_rows_and_a_row_to_its_call(admin, call, engagement):
    contact = engagement.contact
    for row in (contact, engagement):
        state(row, last_call=call, sync_status="FAILED", last_error_message="<i>no")
    html = page(admin, call).content.decode()
    for words in ("1 contact<", "1 engagement<", "Failed: &lt;i&gt;no", "not a valid phone"):
        assert words in html
    for row in (contact, engagement):
        row_url = f"{BASE}/{row._meta.model_name}/{row.pk}/change/"
        assert f'href="{row_url}"' in html
        assert f'href="{url(call)}"' in admin.get(row_url).content.decode()


def test_what_a_program_says_of_an_error_is_put_into_words(admin, call):
    said = {"error_code": "NO_ANSWER", "error_message": "ProtocolError: Connection reset by peer"}
    ApiCall.objects.update(http_status=None, **said)
    assert "(for an administrator: ProtocolError: Connection reset by peer)" in (
        page(admin, call).content.decode()
    )
    listed = admin.get(f"{BASE}/apicall/").content.decode()
    assert "no usable answer came back" in listed
    assert "ProtocolError" not in listed


def test_rows_of_other_calls_are_not_listed(admin, call, contact):
    assert "None that you may see" in page(admin, call).content.decode()


def test_only_the_first_of_many_are_listed_and_all_are_counted(admin, call):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(60))
    Contact.unmarked.update(last_call=call)
    (kind,) = page(admin, call).context["kinds"]
    assert (kind.count, len(kind.lines), kind.more) == (60, 50, 10)
    assert "and 10 more" in page(admin, call).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_rows(admin, call):
    page(admin, call)  # a process's first page asks for content types as well
    counts = []
    for number in (2, 40):
        Contact.objects.bulk_create(Contact(email=f"{number}-{n}@x.example") for n in range(number))
        Contact.unmarked.update(last_call=call)
        with CaptureQueriesContext(connection) as queries:
            page(admin, call)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_each_kind_is_shown_only_to_those_who_may_see_it(staff, call, engagement):
    for row in (engagement, engagement.contact):
        state(row, last_call=call)
    client = staff("view_apicall", "view_engagement")
    assert [kind.label for kind in page(client, call).context["kinds"]] == ["engagement"]
    assert staff("view_contact", name="other").get(url(call)).status_code == 403


def test_a_call_without_an_error_says_so(admin, call):
    ApiCall.objects.update(error_code="", error_message="")
    assert '<div class="readonly">none</div>' in page(admin, call).content.decode()


def test_the_list_leads_to_the_dashboard(admin, staff, call):
    link = f'href="{BASE}/apigate/"'
    assert link in admin.get(f"{BASE}/apicall/").content.decode()
    main = staff("view_apicall").get(f"{BASE}/apicall/").content.decode().partition("<main")[2]
    assert link not in main


def test_nothing_of_it_can_be_written(admin, call):
    for word in ("change", "delete"):
        address = f"{BASE}/apicall/{call.pk}/{word}/"
        assert admin.post(address, {"endpoint": "x", "post": "yes"}).status_code == 403
    assert admin.post(f"{BASE}/apicall/add/", {"endpoint": "x"}).status_code == 403
    assert ApiCall.objects.get().endpoint == "POST /contacts/batch"
