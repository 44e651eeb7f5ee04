"""What a server echoes of the API key is taken out, wherever it stands."""

from conversion_sync.api.errors import ItemError, Refused
from conversion_sync.api.results import BatchResult, ItemResult
from conversion_sync.api.scrubber import Scrubber
from conversion_sync.api.secret import Secret
from tests.api.kit import KEY


def test_details_are_scrubbed_in_lists_and_dicts():
    error = Refused("m", details={KEY: [f"a{KEY}b", 1, None]})
    Scrubber(Secret(KEY)).scrub_error(error)
    assert error.details == {"***": ["a***b", 1, None]}


def test_a_code_becomes_one_word():
    error = Refused("m", code=f"no such\n{KEY}" + "x" * 99)
    Scrubber(Secret(KEY)).scrub_error(error)
    assert error.code == ("no_such_***" + "x" * 99)[:64]


def test_items_of_a_result_are_scrubbed():
    refused = ItemError(0, "a@x.example", KEY, f"{KEY}!")
    result = BatchResult({"a@x.example": ItemResult("a@x.example", error=refused)})
    Scrubber(Secret(KEY)).scrub_result(result)
    assert result.items["a@x.example"].error == ItemError(0, "a@x.example", "***", "***!")
