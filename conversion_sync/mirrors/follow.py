"""Which models' changes concern which mirrors, as these are declared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q
from django.db.models.constants import LOOKUP_SEP

from conversion_sync.mirrors.declaration import REFERENCES, Declared
from conversion_sync.mirrors.expressions import PathStep, path_steps, paths, target
from conversion_sync.mirrors.table import (
    Concern,
    Left,
    Marked,
    Model,
    Parent,
    Reference,
    Sender,
    Side,
    Table,
    label_of,
)

__all__ = ["depended_on", "read_paths", "table_of"]


class NotFollowedError(ValueError):
    """A model, or a relation, whose rows can't be told by one value; the message says so."""


def read_paths(declared: Declared) -> Iterator[str]:
    """The paths of a mirror's expressions, and those of its condition."""
    for value in [*dict(declared.words()).values(), declared.include]:
        if hasattr(value, "resolve_expression") or isinstance(value, Q):
            yield from paths(value)


def depended_on(declared: Declared) -> set[str]:
    """The paths that the functions of a mirror say that they read."""
    found = {*type(declared.mirror).depends_on}
    for value in [*dict(declared.words()).values(), declared.include]:
        found |= {*getattr(value, "conversion_sync_depends_on", ())}
    return found


def table_of(mirrors: Iterable[Declared]) -> Table:
    """What concerns these mirrors; one of which nothing can be made says why, and is left out."""
    made = _Making()
    for each in mirrors:
        try:
            made.add(each)
        except NotFollowedError as error:
            each.broken = str(error)
        except Exception as error:  # the site's code: no reason not to start, and a check says it
            each.broken = f"{type(error).__name__}: {error}"
    return made.finished()


class _Making:
    def __init__(self) -> None:
        self.table = Table()
        # By concrete model: the fields that are read; None is any.
        self._fields = defaultdict[Model, set[str | None]](set)
        self._parents = defaultdict[Model, set[Parent]](set)

    def add(self, declared: Declared) -> None:
        model = _concrete(declared.model)
        self._concern(model, Concern(declared.label, ""))
        reads_all = not _knows_its_fields(declared)
        self._fields[model].add(None if reads_all else model._meta.pk.attname)
        for path in read_paths(declared):
            self._follow(declared, *path_steps(declared.model, path))
        for path in depended_on(declared):
            self._follow(declared, path_steps(declared.model, path, ends_with_model=True)[0], "")
        for name, value in declared.words():
            if name in REFERENCES and (other := target(declared.model, value)) is not None:
                self.table.referred_to.add(_concrete(other))
                self.table.references[label_of(other)].append(
                    Reference(declared.label, "" if value.name == "pk" else value.name)
                )

    def _follow(self, declared: Declared, relations: Sequence[PathStep], column: str) -> None:
        for step in relations:
            self._relation(declared, step, is_last=step is relations[-1])
        end = relations[-1].model if relations else declared.model
        # What a function reads beyond its path, nobody knows.
        self._field(end, column or None)

    def _relation(self, declared: Declared, step: PathStep, *, is_last: bool) -> None:
        relation, model = step.field, _concrete(step.model)
        _see_columns(step)
        if relation.many_to_many:
            sides = [*_sides(relation)]
            through = (relation.field if relation.auto_created else relation).remote_field.through
            self.table.through[through].update(sides)
            if not through._meta.auto_created:
                self._parents[through].update(
                    Parent(side.column, label_of(side.model)) for side in sides
                )
                self._fields[through].add(None)
            self._concern(model, Concern(declared.label, step.lookup, Left.ANY))
        elif isinstance(relation, models.ForeignKey):
            self._field(step.origin, relation.name)
            left = _left(relation.remote_field.on_delete)
            self._concern(model, Concern(declared.label, step.lookup, left))
        elif isinstance(getattr(relation, "field", None), models.ForeignKey):
            self._field(model, relation.field.name)
            parent = relation.field.related_model
            self._parents[model].add(Parent(relation.field.name, label_of(parent)))
            self._concern(model, Concern(declared.label, step.lookup), is_told=is_last)
        else:
            self._generic_relation(declared, step, is_last=is_last)

    def _generic_relation(self, declared: Declared, step: PathStep, *, is_last: bool) -> None:
        """From a row to what belongs to it, or back: what belongs to it goes with it."""
        is_back = not hasattr(step.field, "object_id_field_name")
        relation, model = (step.field.field if is_back else step.field), _concrete(step.model)
        columns = (relation.object_id_field_name, relation.content_type_field_name)
        belonging = step.origin if is_back else model
        for name in columns:
            self._field(belonging, name)
        if not is_back:
            self._parents[model].add(Parent(columns[0], label_of(step.origin), columns[1]))
        is_told = is_last and not is_back
        self._concern(model, Concern(declared.label, step.lookup), is_told=is_told)

    def _concern(self, model: Model, concern: Concern, *, is_told: bool = False) -> None:
        """A mirror reads a model, and what that inherits.

        Args:
            is_told: the model's own rows mark what they belong to; what they inherit has rows
                that know nothing of it.
        """
        reading = [] if is_told else [(model, concern.lookup)]
        if reading:
            _see_key(model)
        for each, lookup in [*reading, *_inherited(model, concern.lookup)]:
            found = Concern(concern.mirror, lookup, concern.left)
            concerns = self.table.concerns[label_of(each)]
            if found not in concerns:
                concerns.append(found)
            self._fields[each] |= set()

    def _field(self, model: Model, name: str | None) -> None:
        model = _concrete(model)
        if name is None:
            for each in (model, *_ancestors(model)):
                self._fields[each].add(None)
            return
        column: Any = model._meta.get_field(name)
        if not column.concrete:
            # A generic foreign key: no query reads it, and a check says so.
            self._fields[model].add(None)
            return
        self._fields[_concrete(column.model)].update({name, column.attname})
        self._fields[model].update({name, column.attname})

    def finished(self) -> Table:
        for model in apps.get_models(include_auto_created=True):
            sender = Sender()
            for kept in self._of(model, self._fields):
                if label_of(kept) in self.table.concerns:
                    primary_key: Any = kept._meta.pk
                    marked = Marked(kept, primary_key.attname, self._known(kept))
                    sender.marked[label_of(kept)] = marked
            for kept in self._of(model, self._parents):
                sender.parents += sorted(self._parents[kept], key=lambda each: each.column)
                known = self._known(kept)
                sender.reads = _either(sender.reads, known)
            if sender.marked or sender.parents:
                self.table.senders[model] = sender
        return self.table

    def _known(self, model: Model) -> frozenset[str] | None:
        names = self._fields[model]
        return None if None in names else frozenset(map(str, names))

    @staticmethod
    def _of(model: Model, among: Mapping[Model, Any]) -> list[Model]:
        return [each for each in among if issubclass(_concrete(model), each)]


def _see_key(model: Model) -> None:
    """Raises NotFollowedError: no text tells a row of this model from others."""
    column: Any = model._meta.pk
    while column.is_relation:
        column = column.target_field
    if isinstance(column, models.CompositePrimaryKey):
        raise NotFollowedError(f"{model._meta.label} has a primary key of several columns.")
    if isinstance(column, models.BinaryField):
        raise NotFollowedError(f"{model._meta.label} has a binary primary key.")


def _see_columns(step: PathStep) -> None:
    """Raises NotFollowedError: the relation is made of several columns."""
    relation = getattr(step.field, "field", step.field)
    is_one_of_djangos = hasattr(relation, "object_id_field_name") or relation.many_to_many
    if not is_one_of_djangos and not isinstance(relation, models.ForeignKey):
        raise NotFollowedError(
            f"{step.lookup} is a relation of several columns: read it in a function, whose "
            "depends_on names paths of foreign keys."
        )


def _sides(relation: Any) -> Iterator[Side]:
    """The sides from which a many-to-many relation is read: of a symmetrical one both."""
    is_own = not relation.auto_created
    field = relation if is_own else relation.field
    names = field.m2m_field_name(), field.m2m_reverse_field_name()
    # Not where a path starts: that may inherit it, under another primary key.
    if is_own:
        yield Side(_concrete(field.model), True, *names)
    if not is_own or field.remote_field.symmetrical:
        yield Side(_concrete(field.remote_field.model), False, *reversed(names))


def _knows_its_fields(declared: Declared) -> bool:
    """Whether the columns of the source that matter are those of its paths."""
    values = [*dict(declared.words()).values(), declared.include]
    if any(callable(value) and not hasattr(value, "resolve_expression") for value in values):
        return False
    query = declared.source.query
    return not (query.where or query.annotations)


def _either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other


def _left(on_delete: Any) -> Left:
    if on_delete in (models.SET_NULL, getattr(models, "DB_SET_NULL", models.SET_NULL)):
        return Left.NULL
    # What the database deletes by itself, nobody hears of: that is found by a backfill.
    with_it = (models.CASCADE, models.PROTECT, models.RESTRICT, getattr(models, "DB_CASCADE", None))
    return Left.NONE if on_delete in with_it else Left.ANY


def _concrete(model: Model) -> Model:
    return model._meta.concrete_model or model


def _ancestors(model: Model) -> list[Model]:
    return [each for each in model.__mro__[1:] if hasattr(each, "_meta") and _has_table(each)]


def _has_table(model: Model) -> bool:
    return not model._meta.abstract and not model._meta.proxy


def _inherited(model: Model, lookup: str) -> Iterator[tuple[Model, str]]:
    """The models with tables that a model inherits, and the paths to them."""
    for parent in _ancestors(model):
        links = [info.join_field.name for info in model._meta.get_path_to_parent(parent)]
        yield parent, LOOKUP_SEP.join([*([lookup] if lookup else []), *links])
