"""Which column of a file holds what: its titles, as people and other programs write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

__all__ = [
    "COMPANIES",
    "CONTACTS",
    "ENGAGEMENTS",
    "LINES",
    "OPT_OUT",
    "Guide",
    "Titles",
    "squeezed",
]

#: That somebody has opted out: "true", a cross or a time, where others write the status itself.
OPT_OUT = "opted_out"

#: So many lines with content are looked at to find the header.
LINES = 20

_OTHER = re.compile(r"[\W_]+")


def squeezed(title: str) -> str:
    """A title without capitals, spaces and signs: "E-mail 1 - Value" is "email1value"."""
    return _OTHER.sub("", unicodedata.normalize("NFKC", title).casefold())


@dataclass(frozen=True)
class Titles:
    """The titles of the known columns of one kind of file.

    Args:
        prefixes: what some programs write before each title ("Person - Phone - Work").
        words: for each known column its squeezed titles, apart by blanks; the better one first,
            since a file may have several.
    """

    prefixes: Sequence[str]
    words: Mapping[str, str]

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        return {
            word: (name, rank)
            for name, words in self.words.items()
            for rank, word in enumerate(words.split())
        }

    def known(self, title: str) -> tuple[str, int] | None:
        """The known column that a title means, and its rank among the titles of that (0: best)."""
        word = squeezed(title)
        if place := self._places.get(word):
            return place
        for prefix in self.prefixes:
            if place := self._places.get(word.removeprefix(prefix)):
                return place
        return None

    def recognised(self, titles: Iterable[str]) -> set[str]:
        """The known columns among some titles."""
        return {place[0] for place in map(self.known, titles) if place}


# As the exports of HubSpot, Salesforce (contacts, leads, accounts), Mailchimp, Pipedrive, Google
# Contacts and Outlook have them, in English and in German.

CONTACTS = Titles(
    ("person", "contact", "lead"),
    {
        "email": "email emailaddress emailid emailadresse primaryemail workemail emailwork "
        "businessemail email1 email1value email1address emailgeschäftlich geschäftlicheemail "
        "emailhome emailprivat personalemail emailother",
        "first_name": "firstname givenname forename vorname",
        "last_name": "lastname familyname surname nachname familienname",
        "phone": "phone phonenumber telephone telephonenumber tel workphone phonework "
        "businessphone primaryphone phone1 phone1value officephone mobilephone mobilephonenumber "
        "telefon telefonnummer telefongeschäftlich mobile phonemobile cellphone mobiltelefon "
        "mobiltelefonnummer mobilnummer handy handynummer homephone phonehome telefonprivat "
        "phoneother",
        # Outlook's "Title" is "Dr.", and its "Job Title" is what we call title.
        "title": "jobtitle organizationtitle organization1title title position jobposition "
        "jobtitel jobbezeichnung berufsbezeichnung",
        "linkedin_url": "linkedinurl linkedin linkedinprofile linkedinprofileurl hslinkedinurl "
        "linkedinprofil",
        "external_contact": "externalcontact",
        "subscription_status": "subscriptionstatus emailsubscriptionstatus marketingstatus "
        "abonnementstatus abostatus",
        OPT_OUT: "optedout optout emailoptout emailoptedout hasoptedoutofemail unsubscribed "
        "unsubscribedfromallemail unsubtime unsubscribedat donotemail abgemeldet abgemeldetam "
        "emaildeaktivierung vonallenemailsabgemeldet",
        "company_id": "companyid accountid associatedcompanyid associatedcompanyids "
        "primaryassociatedcompanyid organizationid unternehmensid firmenid",
        "company_name": "companyname company companyaccount associatedcompany "
        "primaryassociatedcompany account accountname organization organizationname "
        "organization1name organisation organisationname firma firmenname unternehmen "
        "unternehmensname zugeordnetesunternehmen",
        "custom_variables": "customvariables",
    },
)

COMPANIES = Titles(
    ("organization", "company", "account"),
    {
        "external_id": "externalid id companyid accountid organizationid recordid datensatzid "
        "unternehmensid firmenid",
        "base_domain": "basedomain domain domainname companydomainname companydomain "
        "unternehmensdomain",
        "company_name": "companyname name company accountname organization organizationname firma "
        "firmenname unternehmen unternehmensname organisation",
        "industry": "industry branche",
        "size": "size companysize numberofemployees noofemployees employees employeecount "
        "mitarbeiterzahl anzahlmitarbeiter anzahldermitarbeiter mitarbeiter unternehmensgrösse",
        "annual_revenue": "annualrevenue revenue jahresumsatz umsatz",
        "location": "location headquarters address standort hauptsitz",
        "website": "website websiteurl webpage web homepage url webseite internetadresse",
        "custom_variables": "customvariables",
    },
)

ENGAGEMENTS = Titles(
    (),
    {
        "source_key": "sourcekey",
        "contact_email": "contactemail email emailaddress",
        "name": "name eventname",
        "description": "description",
        "occurred_at": "occurredat",
        "data": "data",
    },
)


@dataclass(frozen=True)
class Guide:
    """Tells the header of a file from what stands above and below it.

    Args:
        required: the columns that the file must have.
        chosen: titles that mean what a person says, and the column that each means.
    """

    titles: Titles
    required: frozenset[str]
    chosen: Mapping[str, str]

    def names(self, cells: Iterable[str]) -> set[str]:
        """The known columns that some cells name."""
        named = {cell: self.chosen[cell] for cell in cells if cell in self.chosen}
        return set(named.values()) | self.titles.recognised(set(cells) - named.keys())

    def is_whole(self, cells: Iterable[str]) -> bool:
        """Whether some cells name all columns that are needed."""
        return self.names(cells) >= self.required

    def header(self, records: Sequence[Sequence[str]]) -> int:
        """Which of the first records is the header: above it may be other titles, and blanks."""
        merits = [(self.is_whole(cells), len(self.names(cells))) for cells in records]
        return merits.index(max(merits))
