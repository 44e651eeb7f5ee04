import pytest

from conversion_sync.sandbox import rules


@pytest.mark.parametrize(
    "email", ["a@x.example", " A/b+c%@x.example ", "名@例え.example", "o'b@a.b.c"]
)
def test_emails_that_are_valid(email):
    assert rules.check_contact({"email": email}) is None


@pytest.mark.parametrize(
    "email",
    [
        None,
        7,
        "",
        " ",
        "a",
        "a@",
        "@x.example",
        "a@x",
        "a b@x.example",
        "a@x..example",
        "a@@x.example",
        "a@x.example\n.b",
        f"{'a' * 250}@x.example",
    ],
)
def test_emails_that_are_not(email):
    assert str(rules.check_contact({"email": email})).startswith("email is ")


@pytest.mark.parametrize("variables", [None, [], "text"])
def test_variables_must_be_an_object(variables):
    item = {"email": "a@x.example", "id": "1", "variables": variables}
    assert rules.check_contact(item) == rules.check_company(item) == "variables must be an object"


@pytest.mark.parametrize("status", [None, "", "subscribed", 1])
def test_statuses_that_are_not(status):
    item = {"email": "a@x.example", "subscriptionStatus": status}
    assert "SUBSCRIBED, UNSUBSCRIBED, PENDING" in str(rules.check_subscription(item))


def test_a_subscription_needs_an_email():
    assert rules.check_subscription({"subscriptionStatus": "PENDING"}) == "email is required"


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"id": "1"}, None),
        ({"id": "1", "baseDomain": "x.example"}, None),
        ({"id": "1", "baseDomain": None}, None),
        ({"id": 1}, "id is required"),
        ({"id": " "}, "id is required"),
        ({"id": "1", "baseDomain": 7}, "baseDomain must be a string"),
    ],
)
def test_companies(item, problem):
    assert rules.check_company(item) == problem


@pytest.mark.parametrize("missing", ["contactEmail", "type", "name", "description"])
def test_an_engagement_needs_all_its_fields(missing):
    body = {"contactEmail": "a@x.example", "type": "ACTIVITY", "name": "n", "description": "d"}
    assert rules.check_engagement(body) is None
    del body[missing]
    assert str(rules.check_engagement(body)).startswith(missing)


@pytest.mark.parametrize("body", [None, [], {}, {"contacts": {}}, {"contacts": []}])
def test_a_batch_needs_a_list(body):
    with pytest.raises(rules.BadRequestError, match="must be a list"):
        rules.batch_items(body, "contacts", 2)


def test_a_batch_has_a_limit_and_what_is_no_object_is_empty():
    assert rules.batch_items({"contacts": [7, {"a": 1}]}, "contacts", 2) == [{}, {"a": 1}]
    with pytest.raises(rules.BadRequestError):
        rules.batch_items({"contacts": [{}, {}, {}]}, "contacts", 2)
