import pytest

from conversion_sync.sandbox.faults import Fault, Request
from conversion_sync.sandbox.plan import FaultPlan
from conversion_sync.sandbox.specs import parse_spec

POST = Request("POST", "/contacts/batch", {"contacts": [1]}, ("a@x.example",))
GET = Request("GET", "/contacts/by-email/a", None)


def kind(plan, request):
    fault = plan.take(request)
    return fault.kind if fault else None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("429:0.1", {"kind": "status", "status": 429, "probability": 0.1}),
        ("503", {"kind": "status", "status": 503, "probability": 1}),
        ("drop:.5", {"kind": "drop_before", "probability": 0.5}),
        ("drop-after:1", {"kind": "drop_after", "probability": 1}),
        ("hang=5:0.01", {"kind": "hang", "seconds": 5, "probability": 0.01}),
        ("html=502:0.2", {"kind": "html", "status": 502}),
        ("truncate", {"kind": "truncated_json"}),
        (
            "redirect=https://e.example/x:0.5",
            {"kind": "redirect", "probability": 0.5, "location": "https://e.example/x"},
        ),
        ("redirect=https://e.example/x", {"location": "https://e.example/x", "probability": 1}),
        ("poison=A@x.example", {"kind": "poison", "email": "A@x.example"}),
        (" SHORT=2 ", {"kind": "short_data", "size": 2}),
        ("drip=100", {"kind": "drip", "rate": 100}),
    ],
)
def test_specs(spec, expected):
    fault = parse_spec(spec)
    assert fault.count is None
    assert {name: getattr(fault, name) for name in expected} == expected


@pytest.mark.parametrize(
    "spec", ["", "nonsense", "199", "drop=5", "hang=x", "poison", "drop:2", "drop:x", ":0.5"]
)
def test_specs_that_are_refused(spec):
    with pytest.raises(ValueError, match=r".+"):
        parse_spec(spec)


def test_a_fault_is_used_as_often_as_it_says():
    plan = FaultPlan()
    plan.add(Fault("garbage", count=2))
    assert [plan.take(GET) is not None for _ in range(3)] == [True, True, False]


def test_faults_are_used_in_their_order_where_they_fit():
    plan = FaultPlan()
    plan.add(Fault("garbage", method="post"))
    plan.add(Fault("html", path="by-email"))
    plan.add(Fault("huge", when=lambda body: bool(body)))
    assert [kind(plan, GET), kind(plan, POST), kind(plan, POST)] == [
        "html",
        "garbage",
        "huge",
    ]
    assert plan.take(POST) is None


def test_a_poison_waits_for_its_key():
    plan = FaultPlan()
    plan.add(Fault("poison", email="A@X.example", count=None))
    assert plan.take(GET) is None
    assert kind(plan, POST) == "poison"
    assert kind(plan, POST) == "poison"


def test_the_same_seed_makes_the_same_choices():
    def choices(plan):
        plan.add(Fault("garbage", probability=0.5, count=None))
        return [plan.take(GET) is not None for _ in range(50)]

    plan = FaultPlan(seed=7)
    first = choices(plan)
    plan.clear()
    assert plan.waiting == []
    assert choices(plan) == first == choices(FaultPlan(seed=7))
    assert 10 < sum(first) < 40


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("garbage"), "garbage (1 more)"),
        (
            Fault("status", status=500, count=None, probability=0.5, path="/x"),
            "status 500 (always, 0.5 of the calls, /x)",
        ),
        (Fault("poison", email="a", method="POST"), "poison a (1 more, POST)"),
    ],
)
def test_a_fault_says_what_it_is(fault, text):
    assert str(fault) == text
