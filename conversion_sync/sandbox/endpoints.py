"""The eight endpoints, without HTTP: a request in, a status and an envelope out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conversion_sync.api.errors import ErrorCode
from conversion_sync.sandbox.replies import Reply, failure
from conversion_sync.sandbox.rules import (
    BadRequestError,
    Check,
    batch_items,
    check_company,
    check_contact,
    check_engagement,
    check_subscription,
)
from conversion_sync.sandbox.store import Store

__all__ = ["Endpoints"]


class Endpoints:
    """Answers as the API does.

    Args:
        store: where records go.
        max_batch: items that one batch may hold.
        item_errors: answer the bad items of a batch one by one; else refuse the batch.
        details: name the bad items in a refusal.
    """

    def __init__(
        self, store: Store, *, max_batch: int = 200, item_errors: bool = False, details: bool = True
    ) -> None:
        self.store = store
        self.max_batch = max_batch
        self.item_errors = item_errors
        self.details = details
        self._handlers: dict[str, Callable[[str, Any], Reply]] = {
            "POST /contacts/batch": self._upsert_contacts,
            "POST /contacts/batch-subscription": self._set_subscriptions,
            "POST /contacts/engagements": self._track,
            "POST /companies/batch": self._upsert_companies,
            "GET /contacts/by-email": self._get_contact,
            "DELETE /contacts/by-email": self._delete_contact,
            "GET /companies/by-external-id": self._get_company,
            "DELETE /companies/by-external-id": self._delete_company,
        }

    def handle(self, endpoint: str, key: str, body: Any) -> Reply:
        """Do the work of one request; ``endpoint`` and ``key`` are from `route`."""
        try:
            return self._handlers[endpoint](key, body)
        except BadRequestError as error:
            return failure(400, ErrorCode.VALIDATION_ERROR, error.message)

    def _upsert_contacts(self, _key: str, body: Any) -> Reply:
        def work(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
            return [
                {"email": record["email"], "contactId": record["id"], "operation": operation}
                for record, operation in self.store.upsert_contacts(items)
            ]

        return self._batch(batch_items(body, "contacts", self.max_batch), check_contact, work)

    def _upsert_companies(self, _key: str, body: Any) -> Reply:
        def work(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
            return [
                {"id": record["id"], "companyId": record["companyId"], "operation": operation}
                for record, operation in self.store.upsert_companies(items)
            ]

        items = batch_items(body, "companies", self.max_batch)
        return self._batch(items, check_company, work, key_name="id")

    def _set_subscriptions(self, _key: str, body: Any) -> Reply:
        def work(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
            changes = [(item["email"], item["subscriptionStatus"]) for item in items]
            return [
                {
                    "email": record["email"],
                    "contactId": record["id"],
                    "subscriptionStatus": record["subscriptionStatus"],
                    "operation": "updated",
                }
                for record in self.store.set_statuses(changes)
            ]

        items = batch_items(body, "contacts", self.max_batch)
        return self._batch(items, check_subscription, work, must_exist=True)

    def _batch(
        self,
        items: Sequence[Mapping[str, Any]],
        check: Check,
        work: Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]],
        *,
        key_name: str = "email",
        must_exist: bool = False,
    ) -> Reply:
        bad: list[dict[str, Any]] = []
        good: list[Mapping[str, Any]] = []
        for index, item in enumerate(items):
            code, problem = ErrorCode.VALIDATION_ERROR, check(item)
            if problem is None and must_exist and not self.store.has_contact(item["email"]):
                code, problem = ErrorCode.NOT_FOUND, "Contact not found"
            if problem is None:
                good.append(item)
                continue
            error = {"index": index, key_name: item.get(key_name), "code": code, "message": problem}
            bad.append(error)
        if bad and not self.item_errors:
            missing = ErrorCode.NOT_FOUND
            code = next((error["code"] for error in bad if error["code"] != missing), missing)
            status = 404 if code == missing else 400
            text = f"{len(bad)} of {len(items)} items were refused: {bad[0]['message']}"
            return failure(status, code, text, bad if self.details else None)
        try:
            data = work(good) if good else []
        except KeyError:  # deleted by another request between the look and the work
            return failure(404, ErrorCode.NOT_FOUND, "Contact not found")
        for error in bad:
            entry = {key_name: error[key_name], "success": False}
            entry["error"] = {"code": error["code"], "message": error["message"]}
            data.insert(error["index"], entry)
        return Reply(200, {"success": True, "data": data})

    def _track(self, _key: str, body: Any) -> Reply:
        if not isinstance(body, Mapping):
            raise BadRequestError("The body must be an object")
        if problem := check_engagement(body):
            raise BadRequestError(problem)
        if not self.store.has_contact(body["contactEmail"]):
            return failure(404, ErrorCode.NOT_FOUND, "Contact not found")
        return Reply(200, {"success": True, "data": {"id": self.store.add_engagement(body)["id"]}})

    def _get_contact(self, key: str, _body: Any) -> Reply:
        return _found(self.store.get_contact(key), "Contact")

    def _get_company(self, key: str, _body: Any) -> Reply:
        return _found(self.store.get_company(key), "Company")

    def _delete_contact(self, key: str, _body: Any) -> Reply:
        return _deleted(self.store.delete_contact(key), "Contact")

    def _delete_company(self, key: str, _body: Any) -> Reply:
        return _deleted(self.store.delete_company(key), "Company")


def _found(record: Mapping[str, Any] | None, what: str) -> Reply:
    if record is None:
        return failure(404, ErrorCode.NOT_FOUND, f"{what} not found")
    return Reply(200, {"success": True, "data": record})


def _deleted(done: bool, what: str) -> Reply:
    if not done:
        return failure(404, ErrorCode.NOT_FOUND, f"{what} not found")
    return Reply(200, {"success": True, "message": f"{what} deleted successfully"})
