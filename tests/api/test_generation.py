"""The generations of the API."""

import pytest

from conversion_sync.api import ContactRecord, v1
from conversion_sync.api.generation import GENERATIONS, IN_USE


def test_the_seeds_is_in_use():
    assert IN_USE is v1
    assert GENERATIONS["v1"] is v1


@pytest.mark.parametrize("generation", GENERATIONS.values(), ids=GENERATIONS)
def test_each_makes_the_calls_that_it_says(generation):
    can = generation.CAPABILITIES
    requests = [generation.upsert_contacts([ContactRecord("a@x.example")])]
    if can.get:
        requests += [generation.get_contact("a@x.example"), generation.get_company("1")]
    if can.delete:
        requests += [generation.delete_contact("a@x.example"), generation.delete_company("1")]
    assert all(request.path.startswith("/") for request in requests)
    assert can.records_per_call >= 1
    assert can.events_per_call >= 1
