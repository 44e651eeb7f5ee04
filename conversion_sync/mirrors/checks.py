"""What is wrong with a site's mirrors, said when it starts: ``conversion_sync.E030`` and on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldError
from django.db import models, router
from django.db.models import Q

from conversion_sync.mirrors.declaration import (
    COLUMNS,
    REFERENCES,
    REQUIRED,
    UNSUBSCRIBE,
    VARIABLE,
    Declared,
    Exit,
    Mirror,
)
from conversion_sync.mirrors.expressions import target
from conversion_sync.mirrors.follow import depended_on
from conversion_sync.mirrors.links import standing_for
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink, MirrorMark

__all__ = ["check_mirrors"]

Kind = MirrorLink.Kind

#: A variable that comes with the company of a contact.
COMPANY_NAME = "company_name"


def check_mirrors(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check all mirrors, each for itself and together."""
    found = [each for declared in registry.all() for each in _check(declared)]
    return [*found, *_labels(), *_databases()]


def _check(declared: Declared) -> Iterator[CheckMessage]:
    if not _is_model(declared.model):
        yield _error(declared, "", "E030", f"{declared.model!r} is no model.", "Name a model.")
        return
    if declared.broken:
        yield _error(
            declared, "", "E030", f"{declared.label} can't be used: {declared.broken}", "Mend it."
        )
        return
    found = [*_attributes(declared), *_source(declared), *_paths(declared)]
    yield from found
    if not found:
        yield from _references(declared)
        yield from _company_name(declared)


def _is_model(model: Any) -> bool:
    is_one = isinstance(model, type) and issubclass(model, models.Model)
    return is_one and not model._meta.abstract


def _attributes(declared: Declared) -> Iterator[CheckMessage]:
    words = {name.partition(".")[0] for name, _ in declared.words()}
    for name in REQUIRED[declared.kind]:
        if name not in words:
            yield _error(
                declared, "", "E031", f"{declared.label} has no {name}.", f"Give it {name!r}."
            )
    known = {*COLUMNS[declared.kind], *vars(Mirror)}
    if declared.kind is Kind.ENGAGEMENT:
        known -= {"variables"}
    others = {name for columns in COLUMNS.values() for name in columns} | {"variables"}
    for name in vars(type(declared.mirror)):
        if name in others - known:
            yield _error(
                declared,
                name,
                "E032",
                f"{declared.label} has {name}, which {_article(declared.kind)} does not have.",
                f"It has: {', '.join(COLUMNS[declared.kind])}.",
            )
    if not isinstance(declared.on_exit, Exit) or (
        declared.kind is not Kind.CONTACT and declared.on_exit is UNSUBSCRIBE
    ):
        yield _error(
            declared,
            "on_exit",
            "E033",
            f"{declared.label}.on_exit is {declared.on_exit!r}.",
            "Make it mirrors.KEEP or mirrors.DELETE; of contacts also mirrors.UNSUBSCRIBE.",
        )


def _article(kind: Kind) -> str:
    return f"an {kind.label}" if kind is Kind.ENGAGEMENT else f"a {kind.label}"


def _source(declared: Declared) -> Iterator[CheckMessage]:
    source: Any = type(declared.mirror).source
    if source is None:
        return
    if not isinstance(source, models.QuerySet) or not issubclass(source.model, declared.model):
        yield _error(
            declared,
            "source",
            "E034",
            f"{declared.label}.source gives no instances of {declared.model._meta.label}.",
            "Make it a queryset of that model.",
        )
    elif source.query.is_sliced or source.query.distinct_fields or source.query.combinator:
        yield _error(
            declared,
            "source",
            "E034",
            f"{declared.label}.source can't be filtered: it is sliced or combined.",
            "Make it a queryset without slices, unions and distinct(*fields).",
        )
    elif len(source.query.alias_map) > 1 and source.query.where:
        yield _warning(
            declared,
            "source",
            "W035",
            f"{declared.label}.source filters by a relation, whose changes are not followed.",
            "Put the condition into include.",
        )


def _paths(declared: Declared) -> Iterator[CheckMessage]:
    """Django resolves each expression, and names what it does not know."""
    rows = declared.model._default_manager.all()
    if isinstance(type(declared.mirror).source, models.QuerySet):
        rows = declared.source
    for name, value in declared.words():
        if hasattr(value, "resolve_expression"):
            try:
                rows.annotate(conversion_sync_word=value)
            except (FieldError, ValueError, TypeError) as error:
                yield _unknown(declared, name, error)
    include = declared.include
    if isinstance(include, Q):
        try:
            rows.filter(include)
        except (FieldError, ValueError, TypeError) as error:
            yield _unknown(declared, "include", error)
    elif not callable(include):
        hint = "Make it a Q, or a function of the instance."
        yield _error(declared, "include", "E036", f"{declared.label}.include is no Q.", hint)
    for path in depended_on(declared):
        try:
            rows.filter(**{f"{path}__isnull": True})
        except (FieldError, ValueError, TypeError) as error:
            yield _unknown(declared, "depends_on", error)


def _unknown(declared: Declared, name: str, error: Exception) -> CheckMessage:
    hint = "Correct the path."
    if "GenericForeignKey" in str(error):
        hint = (
            "Give the model that it leads to a GenericRelation with a related_query_name, and name "
            "that; or read it in a function, which follows what its depends_on names."
        )
    return _error(declared, name, "E036", f"{declared.label}.{name}: {error}", hint)


def _references(declared: Declared) -> Iterator[CheckMessage]:
    for name, value in declared.words():
        if name not in REFERENCES:
            continue
        model = target(declared.model, value)
        kind = REFERENCES[name]
        if model is None:
            yield _error(
                declared,
                name,
                "E037",
                f"{declared.label}.{name} leads to no model.",
                f"Make it an F path to a model that is mirrored as {_article(kind)}.",
            )
        elif not standing_for(model, kind):
            yield _warning(
                declared,
                name,
                "W038",
                f"{declared.label}.{name} leads to {model._meta.label}, which no mirror makes "
                f"{_article(kind)}.",
                f"Declare one with @mirrors.{kind.value}({model.__name__}).",
            )


def _company_name(declared: Declared) -> Iterator[CheckMessage]:
    for name, _ in declared.words():
        if declared.kind is Kind.CONTACT and name == f"{VARIABLE}{COMPANY_NAME}":
            yield _error(
                declared,
                name,
                "E039",
                f"{declared.label} maps {COMPANY_NAME}, which comes with the contact's company.",
                "Leave it out, and set company to a model that is mirrored as a company.",
            )


def _labels() -> Iterator[CheckMessage]:
    for label in registry.clashes():
        declared = registry.get(label)
        if declared is not None:
            yield _error(
                declared,
                "label",
                "E040",
                f"Several mirrors have the label {label!r}.",
                "Give one of them another label.",
            )
    engagements = [each for each in registry if each.kind is Kind.ENGAGEMENT]
    unnamed = Counter(each.model for each in engagements if not type(each.mirror).label)
    for each in engagements:
        if unnamed[each.model] > 1 and not type(each.mirror).label:
            yield _error(
                each,
                "label",
                "E041",
                f"Several mirrors make engagements of {each.model._meta.label}: each of its rows "
                "would be entered by one of them alone.",
                "Give all but one a label.",
            )


def _databases() -> Iterator[CheckMessage]:
    ours = router.db_for_write(MirrorMark)
    for declared in registry:
        if _is_model(declared.model) and router.db_for_write(declared.model) != ours:
            yield _warning(
                declared,
                "",
                "W042",
                f"{declared.model._meta.label} is in another database than this app's rows: a "
                "change is marked after its commit, and a crash in between loses the mark.",
                "Run `manage.py conversion_mirror` now and then, or keep both in one database.",
            )


def _error(declared: Declared, name: str, number: str, message: str, hint: str) -> Error:
    where = declared.place.of(name)
    return Error(f"{message} ({where})", hint=hint, obj=None, id=f"conversion_sync.{number}")


def _warning(declared: Declared, name: str, number: str, message: str, hint: str) -> Warning:
    where = declared.place.of(name)
    return Warning(f"{message} ({where})", hint=hint, obj=None, id=f"conversion_sync.{number}")
