"""Invented people and companies, the same ones every time: who they are, before any system gets a part of it wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sandbox.seeding.names import FIRST, LAST, PLACES, TITLES, Place, company_names

COMPANIES = 64
PEOPLE = 320
SYSTEMS = ("stripe", "shopify", "zendesk", "typeform", "hubspot", "salesforce")
_FREE_MAIL = ("gmail.com", "outlook.com", "yahoo.com", "proton.me", "gmx.de")

# How likely a system knows somebody: of those who work for a customer, and of those who buy for themselves.
_KNOWN_AT_WORK = {"stripe": 0.3, "shopify": 0.12, "zendesk": 0.45, "typeform": 0.3, "hubspot": 0.3, "salesforce": 0.3}
_KNOWN_AT_HOME = {"stripe": 0.2, "shopify": 0.85, "zendesk": 0.3, "typeform": 0.2, "hubspot": 0.12, "salesforce": 0.0}
# A company's own record, beside its people's.
_KNOWN_COMPANY = {"stripe": 0.6, "zendesk": 0.6, "hubspot": 0.4, "salesforce": 0.45}


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address and the place it is in."""

    street: str
    postal: str
    place: Place


@dataclass(frozen=True, slots=True)
class Company:
    """A customer that is a company."""

    n: int
    name: str
    domain: str
    address: Address
    phone: str  # E.164
    industry: str  # as HubSpot names it
    sector: str  # as Salesforce names it
    employees: int
    systems: frozenset[str]


@dataclass(frozen=True, slots=True)
class Person:
    """A customer, or somebody who works for one."""

    n: int
    first: str
    last: str
    email: str
    phone: str  # E.164
    local_phone: str  # as they would write it
    title: str
    address: Address
    company: Company | None
    systems: frozenset[str]

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first} {self.last}"


@dataclass(frozen=True, slots=True)
class World:
    """Everybody."""

    companies: tuple[Company, ...]
    people: tuple[Person, ...]
    heroine: Person = field(repr=False)
    """Known to Stripe, Shopify, Zendesk and Typeform, and to neither CRM: the demo traces her."""

    def of(self, system: str) -> list[Person]:
        """Those whom a system knows."""
        return [person for person in self.people if system in person.systems]

    def companies_of(self, system: str) -> list[Company]:
        """The companies of which a system has a record."""
        return [company for company in self.companies if system in company.systems]


def invent(seed: int = 2026) -> World:
    """The world of a seed."""
    dice = random.Random(seed)
    companies = tuple(_company(dice, n, *named) for n, named in enumerate(company_names(COMPANIES)))
    names = [(first, last) for first in FIRST for last in LAST]
    people = [_person(dice, n, name, companies) for n, name in enumerate(dice.sample(names, PEOPLE - 1))]
    heroine = _heroine(companies[0])
    return World(companies, (heroine, *people), heroine)


def _company(dice: random.Random, n: int, name: str, trade: tuple[str, str, str, int]) -> Company:
    place = PLACES[n % len(PLACES)]
    number = f"{place.first + n:0{place.digits}d}"
    return Company(
        n=n,
        name=name,
        domain=f"{name.lower().replace(' ', '-')}.example",
        address=_address(dice, place),
        phone=place.prefix + number,
        industry=trade[1],
        sector=trade[2],
        employees=trade[3] + dice.randrange(20),
        systems=_known(dice, _KNOWN_COMPANY),
    )


def _person(dice: random.Random, n: int, name: tuple[str, str], companies: tuple[Company, ...]) -> Person:
    first, last = name
    company = dice.choice(companies) if dice.random() < 0.55 else None
    place = company.address.place if company else dice.choice(PLACES)
    free = 10**place.digits if not place.first else 200
    number = f"{place.first + (64 + n) % (free - place.first):0{place.digits}d}"
    host = company.domain if company else dice.choice(_FREE_MAIL)
    return Person(
        n=n,
        first=first,
        last=last,
        email=f"{first}.{last}@{host}".lower(),
        phone=place.prefix + number,
        local_phone=place.local.format(n=number),
        title=dice.choice(TITLES) if company else "",
        address=_address(dice, place),
        company=company,
        systems=_known(dice, _KNOWN_AT_WORK if company else _KNOWN_AT_HOME) or frozenset({"shopify"}),
    )


def _heroine(company: Company) -> Person:
    return Person(
        n=999,
        first="Maya",
        last="Okafor",
        email=f"maya.okafor@{company.domain}",
        phone="+16175550199",
        local_phone="(617) 555-0199",
        title="Head of Operations",
        address=Address("18 Chestnut Street", "02108", PLACES[0]),
        company=company,
        systems=frozenset({"stripe", "shopify", "zendesk", "typeform"}),
    )


_STREETS = (
    "Harbour Street",
    "Mill Lane",
    "Station Road",
    "Garden Avenue",
    "Canal Walk",
    "Market Square",
    "Hill Street",
)


def _address(dice: random.Random, place: Place) -> Address:
    street = f"{dice.randrange(1, 180)} {dice.choice(_STREETS)}"
    return Address(street, place.postal.format(n=dice.randrange(10, 89)), place)


def _known(dice: random.Random, chances: dict[str, float]) -> frozenset[str]:
    return frozenset(system for system, chance in chances.items() if dice.random() < chance)
