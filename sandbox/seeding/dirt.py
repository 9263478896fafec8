"""What is wrong on purpose: how each system spells the same person, and the records that cannot go through as they are."""

from __future__ import annotations

from sandbox.seeding.names import NICKNAMES
from sandbox.seeding.world import Company, Person

UNKNOWN_STATUS = "in_review"
"""An invoice status that neither Stripe's mapping nor the dictionary knows: parked until somebody says what it means."""

NO_SUCH_DAY = "2026-02-30T10:00:00Z"
"""A day that no calendar has, where the dictionary requires an instant: parked."""

REAL_DAY = "2026-02-28T10:00:00Z"
"""What `NO_SUCH_DAY` should have been."""

TEST_ADDRESS = "test@test.com"
"""Typed by people who try a form: identifies nobody, and the routes leave it out."""


def mistyped(company: Company) -> str:
    """An address whose top-level domain begins with a digit: it reads like one, HubSpot refuses it."""
    return f"priya.nair@{company.domain.partition('.')[0]}.1o"


def shared_mailbox(company: Company) -> str:
    """An address that several people read: it makes nobody the same person."""
    return f"info@{company.domain}"


def long_title() -> str:
    """A job title longer than the 128 characters that Salesforce takes and shorter than the dictionary's 255."""
    return "Interim Director of Regional Operations, Purchasing, Facilities, Fleet, Vendor Relations, Continuous Improvement and Everything Else"


def email_at_bank(person: Person) -> str:
    """As typed into a payment form: some capitals, some blanks around it."""
    local, _, host = person.email.partition("@")
    if person.n % 7 == 0:
        return f"{local.title()}@{host}"
    return f" {person.email} " if person.n % 11 == 0 else person.email


def email_in_form(person: Person) -> str:
    """As typed on a telephone: it begins with a capital."""
    return person.email.capitalize() if person.n % 5 == 0 else person.email


def name_at_bank(person: Person) -> str | None:
    """Some shout, some leave it out."""
    if person.n % 13 == 5:
        return None
    return person.name.upper() if person.n % 9 == 0 else person.name


def first_in_shop(person: Person) -> str:
    """The short form, where there is one."""
    return NICKNAMES.get(person.first, person.first)


def phone_on_desk(person: Person) -> str:
    """With its country code, or as it is dialled at home: then nobody can say which country it is in."""
    if person.n % 6 == 1:
        return person.local_phone
    return f"{person.phone[:3]} {person.phone[3:6]} {person.phone[6:]}"
