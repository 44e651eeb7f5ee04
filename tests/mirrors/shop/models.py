"""What a site has: keys of several types, relations of every kind, inheritance."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync import mirrors


class Country(models.Model):
    name: models.CharField[Any, Any] = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.name)


class Employer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name: models.CharField[Any, Any] = models.CharField(max_length=50)
    domain: models.CharField[Any, Any] = models.CharField(max_length=50, blank=True)
    is_client = models.BooleanField(default=True)
    country = models.ForeignKey(Country, models.SET_NULL, null=True)

    def __str__(self) -> str:
        return str(self.name)


class Plan(models.Model):
    name: models.CharField[Any, Any] = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.name)


class Tag(models.Model):
    name: models.CharField[Any, Any] = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.name)


class Customer(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    email: models.CharField[Any, Any] = models.CharField(max_length=200, blank=True)
    name: models.CharField[Any, Any] = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    plan = models.ForeignKey(Plan, models.SET_NULL, null=True, related_name="customers")
    employer = models.ForeignKey(Employer, models.CASCADE, null=True, related_name="people")
    tags: models.ManyToManyField[Any, Any] = models.ManyToManyField(Tag, related_name="customers")
    extra = models.JSONField(default=dict)

    objects = models.Manager()
    marked = mirrors.MirroredManager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")

    def __str__(self) -> str:
        return str(self.name)


class Profile(models.Model):
    customer = models.OneToOneField(Customer, models.CASCADE, related_name="profile")
    phone: models.CharField[Any, Any] = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.phone)


class Order(models.Model):
    number: models.CharField[Any, Any] = models.CharField(max_length=20, primary_key=True)
    customer = models.ForeignKey(Customer, models.CASCADE, null=True, related_name="orders")
    status: models.CharField[Any, Any] = models.CharField(max_length=20, default="draft")
    total = models.DecimalField(max_digits=9, decimal_places=2, default=0)
    placed_at = models.DateTimeField(null=True)

    objects = models.Manager()
    marked = mirrors.MirroredManager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")

    def __str__(self) -> str:
        return str(self.number)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    text: models.CharField[Any, Any] = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.text)


class Guest(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email: models.CharField[Any, Any] = models.CharField(max_length=200, unique=True)
    name: models.CharField[Any, Any] = models.CharField(max_length=50, blank=True)

    objects = models.Manager()
    marked = mirrors.MirroredManager()

    def __str__(self) -> str:
        return str(self.email)


class Person(models.Model):
    email: models.CharField[Any, Any] = models.CharField(max_length=200)

    def __str__(self) -> str:
        return str(self.email)


class Member(Person):
    level = models.IntegerField(default=0)


class Reader(Person):
    """A proxy."""

    class Meta:
        proxy = True


class Author(models.Model):
    name: models.CharField[Any, Any] = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.name)


class Note(models.Model):
    text: models.CharField[Any, Any] = models.CharField(max_length=50)
    author = models.ForeignKey(Author, models.SET_NULL, null=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveBigIntegerField()
    about = GenericForeignKey("content_type", "object_id")

    def __str__(self) -> str:
        return str(self.text)


class Club(models.Model):
    email: models.CharField[Any, Any] = models.CharField(max_length=200)
    notes = GenericRelation(Note, related_query_name="club")

    def __str__(self) -> str:
        return str(self.email)


class Account(models.Model):
    number = models.BigAutoField(primary_key=True)
    limit = models.IntegerField(default=0)
    tags: models.ManyToManyField[Any, Any] = models.ManyToManyField(Tag, related_name="accounts")
    friends: models.ManyToManyField[Any, Any] = models.ManyToManyField("self")

    objects: ClassVar[Any] = models.Manager()
    marked: ClassVar[Any] = mirrors.MirroredManager()

    def __str__(self) -> str:
        return str(self.number)


class Visit(models.Model):
    account = models.ForeignKey(Account, models.CASCADE, related_name="visits")
    place: models.CharField[Any, Any] = models.CharField(max_length=50)

    objects: ClassVar[Any] = models.Manager()
    marked: ClassVar[Any] = mirrors.MirroredManager()

    def __str__(self) -> str:
        return str(self.place)


class Seller(Person, Account):
    """Two parents, and so a primary key of its own in each."""

    objects: ClassVar[Any] = models.Manager()
    marked: ClassVar[Any] = mirrors.MirroredManager()


class Agent(Seller):
    """A grandchild; the link to its parent has a name of its own."""

    of_seller = models.OneToOneField(Seller, models.CASCADE, parent_link=True)
    region: models.CharField[Any, Any] = models.CharField(max_length=50, blank=True)

    objects: ClassVar[Any] = models.Manager()
    marked: ClassVar[Any] = mirrors.MirroredManager()


class KnownAgent(Agent):
    """A proxy of it."""

    marked: ClassVar[Any] = mirrors.MirroredManager()

    class Meta:
        proxy = True


class Clerk(Person):
    """One parent, and a primary key of its own."""

    code: models.CharField[Any, Any] = models.CharField(max_length=20, primary_key=True)

    objects: ClassVar[Any] = models.Manager()
    marked: ClassVar[Any] = mirrors.MirroredManager()


class Deal(models.Model):
    """Something that happens with an account."""

    account = models.ForeignKey(Account, models.CASCADE)

    def __str__(self) -> str:
        return str(self.pk)


class Price(models.Model):
    """A primary key that is written in many ways."""

    amount = models.DecimalField(max_digits=9, decimal_places=3, primary_key=True)
    email: models.CharField[Any, Any] = models.CharField(max_length=200)

    def __str__(self) -> str:
        return str(self.amount)


class Moment(models.Model):
    """As well."""

    at = models.DateTimeField(primary_key=True)
    email: models.CharField[Any, Any] = models.CharField(max_length=200)

    def __str__(self) -> str:
        return str(self.at)


class Bid(models.Model):
    """Belongs to one of these."""

    price = models.ForeignKey(Price, models.CASCADE, related_name="bids")
    name: models.CharField[Any, Any] = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.name)


class Apprentice(Person):
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="apprentices")


class Seat(models.Model):
    """A primary key of several columns."""

    pk: Any = models.CompositePrimaryKey("order", "number")
    order = models.ForeignKey(Order, models.CASCADE, related_name="seats")
    number = models.IntegerField()
    email: models.CharField[Any, Any] = models.CharField(max_length=200)

    objects: ClassVar[Any] = models.Manager()
    marked: ClassVar[Any] = mirrors.MirroredManager()

    def __str__(self) -> str:
        return str(self.email)


class Print(models.Model):
    """A binary one, and a relation by several columns."""

    digest = models.BinaryField(primary_key=True, max_length=20)
    email: models.CharField[Any, Any] = models.CharField(max_length=200)
    order_number: models.CharField[Any, Any] = models.CharField(max_length=20)
    seat_number = models.IntegerField()
    seat: Any = models.ForeignObject(
        Seat,
        models.DO_NOTHING,
        from_fields=("order_number", "seat_number"),
        to_fields=("order", "number"),
        related_name="prints",
    )

    class Meta:
        managed = False

    def __str__(self) -> str:
        return str(self.email)
