import pickle

import pytest

from conversion_sync.api import errors
from conversion_sync.api.error_codes import code_for_status
from conversion_sync.api.errors import (
    ApiError,
    ConfigurationError,
    ConversionError,
    Duplicate,
    ErrorCode,
    NoAnswer,
    NotFound,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    Unauthorized,
    ValidationFailed,
    api_error_class,
)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("VALIDATION_ERROR", 400, ValidationFailed),
        ("VALIDATION_ERROR", 200, ValidationFailed),
        ("DUPLICATE_ERROR", 409, Duplicate),
        ("NOT_FOUND", 404, NotFound),
        ("RATE_LIMIT_EXCEEDED", 400, RateLimited),
        ("INTERNAL_ERROR", 429, RateLimited),
        ("UNAUTHORIZED", 403, Unauthorized),
        ("VALIDATION_ERROR", 401, Unauthorized),
        ("INTERNAL_ERROR", 500, ServerError),
        ("FORBIDDEN", 403, Refused),
        ("PLAN_LIMIT", 402, Refused),
        ("HTTP_200", 200, Refused),
        ("PLAN_LIMIT", 500, ServerError),
        ("NOT_FOUND", 500, ServerError),
        ("VALIDATION_ERROR", 500, ValidationFailed),
    ],
)
def test_code_and_status_decide_the_class(code, status, expected):
    assert api_error_class(code, status) is expected


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "VALIDATION_ERROR"),
        (422, "VALIDATION_ERROR"),
        (404, "HTTP_404"),
        (409, "DUPLICATE_ERROR"),
        (429, "RATE_LIMIT_EXCEEDED"),
        (401, "UNAUTHORIZED"),
        (403, "FORBIDDEN"),
        (500, "INTERNAL_ERROR"),
        (503, "INTERNAL_ERROR"),
        (418, "HTTP_418"),
        (200, "HTTP_200"),
    ],
)
def test_status_stands_in_for_a_missing_code(status, code):
    assert code_for_status(status) == code


def test_configuration_error_is_outside_the_tree():
    assert not issubclass(ConfigurationError, ConversionError)
    assert issubclass(ConfigurationError, ValueError)


def test_every_error_of_the_tree_is_public():
    def names(error):
        return {error.__name__}.union(*(names(child) for child in error.__subclasses__()))

    assert names(ConversionError) <= set(errors.__all__)


def test_each_error_that_is_raised_has_a_code_of_its_own():
    tree = [getattr(errors, name) for name in errors.__all__]
    bases = (ConversionError, ApiError)
    raised = [
        each
        for each in tree
        if isinstance(each, type) and issubclass(each, ConversionError) and each not in bases
    ]

    codes = [error.default_code for error in raised]

    assert len(raised) > 10
    assert all(isinstance(code, ErrorCode) for code in codes)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoAnswer("No.", status=502, endpoint="GET /x"), "NO_ANSWER: No. (GET /x, HTTP 502)"),
        (NoAnswer(), "NO_ANSWER"),
        (NotFound("Gone.", endpoint="GET /x"), "NOT_FOUND: Gone. (GET /x)"),
    ],
)
def test_text_names_code_message_and_place(error, text):
    assert str(error) == text


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("Slow.", status=429, endpoint="GET /x", retry_after=3.0),
        Redirected("No.", status=302, location="https://e.example/"),
        Refused(details=[1]),
    ],
)
def test_errors_survive_pickling(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
