"""Generic relations: followed from the row to what belongs to it, and back."""

from __future__ import annotations

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection
from django.db.models import Count, F

from conversion_sync import mirrors
from conversion_sync.mirrors import hearing
from conversion_sync.mirrors.checks import check_mirrors
from conversion_sync.models import Company
from tests.mirrors.kit import contacts, marks, render
from tests.mirrors.shop.models import Author, Club, Note, Plan

pytestmark = pytest.mark.django_db


class ClubMirror(mirrors.Mirror[Club]):
    email = F("email")
    variables = {  # noqa: RUF012
        "notes": F("notes__text"),
        "authors": F("notes__author__name"),
        "count": Count("notes"),
    }


@mirrors.depends_on("notes")
def texts(club):
    return sorted(note.text for note in club.notes.all())


class FunctionMirror(mirrors.Mirror[Club]):
    email = F("email")
    variables = {"texts": texts}  # noqa: RUF012


class NoteMirror(mirrors.Mirror[Note]):
    variables = {"company_name": F("text"), "club": F("club__email")}  # noqa: RUF012


@pytest.fixture
def clubs(mirror):
    mirror("contact", Club, ClubMirror)


def club(name="a"):
    return Club.objects.create(email=f"{name}@x.example")


def said(name="a"):
    return contacts()[f"{name}@x.example"].custom_variables


def test_what_belongs_to_a_row_is_read_and_followed(clubs):
    first = club()
    author = Author.objects.create(name="Ada")
    note = Note.objects.create(about=first, text="one", author=author)
    render()
    assert said() == {"notes": ["one"], "authors": ["Ada"], "count": 1}
    note.text = "two"
    note.save()
    author.name = "Eve"
    author.save()
    render()
    assert said() == {"notes": ["two"], "authors": ["Eve"], "count": 1}
    note.delete()
    render()
    assert said() == {"notes": [], "authors": [], "count": 0}


def test_a_change_marks_the_rows_that_it_concerns_and_no_others(clubs):
    first, second = club(), club("b")
    note = Note.objects.create(about=first, text="one")
    render()
    note.about = second
    note.save()
    assert {*marks()} == {
        ("shop.note", str(note.pk), "C"),
        ("shop.club", str(first.pk), "C"),
        ("shop.club", str(second.pk), "C"),
    }
    render()
    assert (said()["notes"], said("b")["notes"]) == ([], ["one"])
    note.about = Plan.objects.create(name="no club")
    note.save(update_fields=["content_type", "object_id"])
    render()
    assert said("b")["notes"] == []


def test_what_belongs_to_a_row_of_another_model_marks_none(clubs):
    plan = Plan.objects.create(pk=club().pk, name="of the same primary key")
    render()
    note = Note.objects.create(about=plan, text="one")
    assert {model for model, _source, _what in marks()} == {"shop.note"}
    render()
    note.delete()
    assert {model for model, _source, _what in marks()} == {"shop.note"}


def test_a_content_type_that_is_not_there_is_no_reason_for_a_save_to_fail(clubs):
    ContentType.objects.clear_cache()
    with connection.constraint_checks_disabled():
        note = Note.objects.create(content_type_id=10**6, object_id=1, text="one")
        note.text = "two"
        note.save()
        assert Note.objects.get().text == "two"
        assert marks() == [("shop.note", str(note.pk), "C")] * 2
        note.content_type = ContentType.objects.get_for_model(Club)
        note.save()
        assert marks()[-1] == ("shop.club", "1", "C")
        Note.objects.filter(pk=note.pk).update(content_type=10**6)
        note.delete()


@pytest.mark.parametrize("place", ["parents_of", "_parents"])
def test_whatever_is_raised_is_logged_and_the_row_is_saved(clubs, monkeypatch, caplog, place):
    def raises(*args):
        raise StopIteration(place)

    note = Note.objects.create(about=club(), text="one")
    monkeypatch.setattr(hearing, place, raises)
    note.text = "two"
    note.save()
    assert Note.objects.get().text == "two"
    assert "A change of shop.Note was not marked" in caplog.text


def test_what_the_database_refuses_is_raised(clubs, monkeypatch):
    def fails(*args):
        raise OperationalError

    note = Note.objects.create(about=club(), text="one")
    monkeypatch.setattr(hearing, "parents_of", fails)
    with pytest.raises(OperationalError):
        note.save()


def test_a_row_that_goes_takes_what_belongs_to_it_along(clubs):
    first = club()
    Note.objects.create(about=first, text="one")
    render()
    first.delete()
    render()
    assert not marks()


def test_a_function_that_depends_on_it_is_followed(mirror):
    mirror("contact", Club, FunctionMirror)
    first = club()
    render()
    note = Note.objects.create(about=first, text="one")
    render()
    assert said() == {"texts": ["one"]}
    note.delete()
    render()
    assert said() == {"texts": []}


def test_it_is_followed_back_to_the_row_by_its_query_name(mirror):
    mirror("company", Note, NoteMirror)
    first, second = club(), club("b")
    note = Note.objects.create(about=first, text="one")
    render()
    first.email = "new@x.example"
    first.save()
    render()
    assert Company.unmarked.get().custom_variables == {"club": "new@x.example"}
    note.about = second
    note.save(update_fields=["object_id"])
    render()
    assert Company.unmarked.get().custom_variables == {"club": "b@x.example"}


@pytest.mark.parametrize("given", [{"variables": {"x": F("about")}}, {"depends_on": ("about",)}])
def test_a_generic_foreign_key_is_no_path_and_a_check_says_what_is(mirror, given):
    class Wrong(NoteMirror):
        pass

    for name, value in given.items():
        setattr(Wrong, name, value)
    mirror("company", Note, Wrong)
    [found] = check_mirrors()
    assert found.id == "conversion_sync.E036"
    assert "related_query_name" in str(found.hint)
