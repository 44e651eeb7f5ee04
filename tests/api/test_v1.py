from datetime import UTC, datetime, timedelta, timezone

import pytest

from conversion_sync.api import v1
from conversion_sync.api.batch import parse_batch
from conversion_sync.api.errors import ItemError, NoAnswer
from conversion_sync.api.inputs import (
    CompanyRecord,
    ContactRecord,
    EngagementRecord,
    StatusChange,
)
from conversion_sync.api.keys import normal_email
from conversion_sync.api.results import ItemResult, RemoteCompany, RemoteContact

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ANN = "ann@x.example"
KEYS = ["a@x.example", "B@x.example", "c@x.example"]


# Keys


@pytest.mark.parametrize(
    ("key", "segment"),
    [
        ("a/b+c%@x.example", "a%2Fb%2Bc%25%40x.example"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "%2E%2E%2E"),
        ("é?#", "%C3%A9%3F%23"),
    ],
)
def test_keys_are_escaped_in_paths(key, segment):
    for request in (v1.get_contact(key), v1.delete_contact(key)):
        assert request.path == f"/contacts/by-email/{segment}"
    for other in (v1.get_company(key), v1.delete_company(key)):
        assert other.path == f"/companies/by-external-id/{segment}"


@pytest.mark.parametrize("key", ["", "  "])
def test_a_blank_key_never_becomes_the_path_of_the_collection(key):
    with pytest.raises(ValueError, match="blank"):
        v1.get_contact(key)


# Requests


def test_items_leave_out_what_is_absent():
    assert v1.contact_item(ContactRecord("a@x.example")) == {"email": "a@x.example"}
    assert v1.company_item(CompanyRecord("1")) == {"id": "1"}
    assert "data" not in v1.engagement_body(EngagementRecord("a@x.example", "n", "d"))


def test_a_none_clears():
    contact = ContactRecord("a@x.example", external_contact=None)
    assert v1.contact_item(contact) == {"email": "a@x.example", "externalContact": None}
    assert v1.company_item(CompanyRecord("1", None)) == {"id": "1", "baseDomain": None}


def test_items_carry_what_is_given():
    assert v1.contact_item(ContactRecord("a@x.example", {"title": None}, {"id": 7})) == {
        "email": "a@x.example",
        "variables": {"title": None},
        "externalContact": {"id": 7},
    }
    assert v1.company_item(CompanyRecord("1", "x.example", {"size": "1-10"})) == {
        "id": "1",
        "baseDomain": "x.example",
        "variables": {"size": "1-10"},
    }
    assert v1.subscription_item(StatusChange("a@x.example", "PENDING")) == {
        "email": "a@x.example",
        "subscriptionStatus": "PENDING",
    }
    assert v1.engagement_body(EngagementRecord("a@x.example", "n", "d", {"tags": []})) == {
        "contactEmail": "a@x.example",
        "type": "ACTIVITY",
        "name": "n",
        "description": "d",
        "data": {"tags": []},
    }


def test_a_contact_carries_the_name_of_its_company_as_a_variable():
    record = ContactRecord(
        ANN, {"company_name": "X"}, company={"company_name": "Acme", "size": "1"}
    )
    assert v1.contact_item(record) == {"email": ANN, "variables": {"company_name": "Acme"}}
    gone = ContactRecord(ANN, company={"company_name": None})
    assert v1.contact_item(gone)["variables"] == {"company_name": None}


@pytest.mark.parametrize(
    "record",
    [
        ContactRecord(ANN),
        ContactRecord(ANN, {"title": None, "x": [1, True]}, {"crm": 7}, {"company_name": "A"}),
        ContactRecord(ANN, {}, None, {"company_name": None}),
    ],
)
def test_what_an_item_of_a_contact_says_can_be_read_again(record):
    assert v1.read_contact_item(v1.contact_item(record)) == record


@pytest.mark.parametrize(
    "record",
    [CompanyRecord("C1"), CompanyRecord("C1", None), CompanyRecord("C1", "x.example", {"a": None})],
)
def test_what_an_item_of_a_company_says_can_be_read_again(record):
    assert v1.read_company_item(v1.company_item(record)) == record


def test_an_item_that_says_nothing_is_read_too():
    assert v1.read_contact_item({}) == ContactRecord("")
    assert v1.read_company_item({"variables": None}) == CompanyRecord("")


# Batches


def batch(data, keys=KEYS):
    return parse_batch(
        {"success": True, "data": data},
        keys,
        key_name="email",
        id_names=("contactId",),
        normal=normal_email,
    ).items


def test_items_are_matched_by_normal_key_and_keyed_as_the_caller_wrote():
    items = batch(
        [
            {"email": "C@X.example ", "contactId": 3, "operation": "updated"},
            {"email": "b@x.example", "contactId": "2", "operation": "created"},
        ]
    )

    assert items == {
        "c@x.example": ItemResult("c@x.example", "3", "updated", None),
        "B@x.example": ItemResult("B@x.example", "2", "created", None),
    }


def test_strangers_and_junk_are_ignored():
    assert batch([None, 7, [], {}, {"email": 3}, {"email": "z@x.example"}]) == {}


A, B, C, OTHER = "a@x.example", "b@x.example", "c@x.example", "merged@x.example"


@pytest.mark.parametrize(
    ("keys", "names", "ids"),
    [
        # As it should be.
        ([A, B, C], [A, B, C], "012"),
        ([A, B, C], [C, A, B], "120"),
        # One was merged into a record that is not ours: at the beginning, within, at the end.
        ([A, B, C], [OTHER, B, C], "012"),
        ([A, B, C], [A, OTHER, C], "012"),
        ([A, B, C], [A, B, OTHER], "012"),
        ([A], [OTHER], "0"),
        # Into another of ours.
        ([A, B, C], [B, B, C], "0?2"),
        ([A, B, C], [A, C, C], "01?"),
        # Two of five, each at its place.
        (
            [A, B, C, "d@x.example", "e@x.example"],
            [OTHER, B, C, "z@x.example", "e@x.example"],
            "01234",
        ),
        # Reordered: there is one item and one entry left, so they belong together.
        ([A, B, C], [C, OTHER, B], "120"),
        # Not certain: too few, too many, too many unknown, an entry without a name.
        ([A, B, C], [A, OTHER], "0--"),
        ([A, B, C], [A, B, OTHER, OTHER], "01-"),
        ([A, B], [A, OTHER], "01"),
        ([A, B], [OTHER, "z@x.example"], "--"),
        ([A, B, C, "d@x.example", "e@x.example"], [B, A, C, OTHER, "z@x.example"], "102--"),
        ([A, B, C], [A, B, None], "01-"),
        ([A], [], "-"),
    ],
)
def test_what_is_left_over_is_matched_by_its_position_where_that_is_certain(keys, names, ids):
    data = [{"email": name, "contactId": str(n)} for n, name in enumerate(names)]
    found = batch(data, keys)
    for key, expected in zip(keys, ids, strict=True):
        if expected == "-":
            assert key not in found
        elif expected != "?":
            assert (found[key].key, found[key].remote_id) == (key, expected)
        else:
            assert found[key].error is None


def test_an_item_that_was_merged_may_be_refused():
    data = [{"email": A}, {"email": B}, {"email": OTHER, "success": False, "error": {"code": "c"}}]
    assert batch(data, [A, B, C])[C].error == ItemError(2, C, "c", "The API refused this item.")


@pytest.mark.parametrize("data", [None, {}, "text", 7, True])
def test_data_of_another_type_answers_no_item(data):
    assert batch(data) == {}


@pytest.mark.parametrize("bad_first", [True, False])
def test_an_error_in_any_repeat_wins(bad_first):
    good = {"email": "a@x.example", "contactId": "1"}
    bad = {"email": "a@x.example", "success": False, "error": {"code": "c", "message": "m"}}
    items = batch([bad, good] if bad_first else [good, bad])

    assert items["a@x.example"].error == ItemError(0, "a@x.example", "c", "m")


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ({"success": False}, "ITEM_ERROR", "The API refused this item."),
        ({"error": "m"}, "ITEM_ERROR", "m"),
        ({"success": None, "code": "X", "message": "m"}, "X", "m"),
        ({"operation": "failed", "message": "m"}, "ITEM_ERROR", "m"),
        ({"operation": "Rejected", "code": "X"}, "X", "The API refused this item."),
        ({"status": "error", "message": "m"}, "ITEM_ERROR", "m"),
    ],
)
def test_an_item_without_success_is_an_error(entry, code, message):
    items = batch([{"email": "a@x.example", **entry}])

    assert items["a@x.example"].error == ItemError(0, "a@x.example", code, message)


def test_an_unknown_operation_and_a_missing_id_are_no_errors():
    items = batch([{"email": "a@x.example", "operation": "merged"}])

    assert items["a@x.example"] == ItemResult("a@x.example", None, None, None)


def test_success_decides_over_other_words():
    items = batch([{"email": "a@x.example", "success": True, "operation": "failed"}])

    assert items["a@x.example"] == ItemResult("a@x.example", None, None, None)


# Records


def test_contact_with_everything():
    contact = v1.parse_contact(
        {
            "data": {
                "id": 5,
                "businessId": "b",
                "email": "A@x.example",
                "variables": {"title": "T"},
                "subscriptionStatus": "subscribed",
                "createdAt": "2026-11-24T12:00:00.000Z",
                "externalContact": {"id": 7},
            }
        },
        "a@x.example",
    )

    assert contact == RemoteContact(
        "5", "A@x.example", {"title": "T"}, "SUBSCRIBED", NOW, {"id": 7}
    )


@pytest.mark.parametrize("created", [None, 7, "yesterday"])
def test_contact_with_nothing(created):
    contact = v1.parse_contact(
        {"data": {"createdAt": created, "variables": [], "subscriptionStatus": 1}}, "a@x.example"
    )

    # A status that is no word is one that nobody knows: it holds what depends on it.
    assert contact == RemoteContact(None, "a@x.example", {}, "1", None, None)


def test_a_time_without_a_zone_is_utc():
    contact = v1.parse_contact({"data": {"createdAt": "2026-11-24T12:00:00"}}, "a@x.example")

    assert contact.created_at == NOW


def test_a_time_with_a_zone_keeps_it():
    contact = v1.parse_contact({"data": {"createdAt": "2026-11-24T14:00:00+02:00"}}, "a@b.example")

    assert contact.created_at == NOW.astimezone(timezone(timedelta(hours=2)))


@pytest.mark.parametrize("data", [None, [], {}, "text", {"email": "other@x.example"}])
def test_another_contact_or_none_is_no_answer(data):
    with pytest.raises(NoAnswer):
        v1.parse_contact({"data": data}, "a@x.example")


@pytest.mark.parametrize(
    ("data", "remote_id"),
    [
        ({"id": "Acme", "companyId": "uuid"}, "uuid"),
        ({"id": "uuid", "externalId": "Acme"}, "uuid"),
        ({"id": "uuid"}, "uuid"),
        ({"id": "Acme"}, None),
        ({}, None),
    ],
)
def test_company_tells_our_id_from_theirs(data, remote_id):
    company = v1.parse_company({"data": {**data, "baseDomain": "x.example"}}, "Acme")

    assert company == RemoteCompany("Acme", remote_id, "x.example", {})


@pytest.mark.parametrize("data", [None, [], {}, {"externalId": "Other"}])
def test_another_company_or_none_is_no_answer(data):
    with pytest.raises(NoAnswer):
        v1.parse_company({"data": data}, "Acme")


@pytest.mark.parametrize(
    ("data", "remote_id"),
    [({"id": "1"}, "1"), ({"engagementId": 2}, "2"), ({}, None), (None, None), ([], None)],
)
def test_engagement_needs_no_id(data, remote_id):
    assert v1.parse_engagement({"success": True, "data": data}).remote_id == remote_id
