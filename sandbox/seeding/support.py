"""What Zendesk knows: organizations, the people who asked for help, and what they asked."""

from __future__ import annotations

from sandbox.seeding import dirt
from sandbox.seeding.calendar import Calendar
from sandbox.seeding.world import Person, World
from sandbox.simulator import Simulator
from sandbox.state import Json

SUBJECTS = (
    ("Invoice shows the wrong address", "billing"),
    ("Cannot sign in since this morning", "access"),
    ("How do I add a colleague?", "question"),
    ("The parcel arrived damaged", "delivery"),
    ("Please change our plan", "plan"),
    ("Export takes very long", "product"),
)


def fill(zendesk: Simulator, world: World, calendar: Calendar) -> None:
    """Agents, organizations, users and their tickets."""
    calendar.go(95)
    for name in ("Robin Ames", "Kit Larsen"):
        zendesk.make("users", name=name, email=f"{name.split()[0].lower()}@throughline.example", role="agent")
    organizations: dict[str, Json] = {}
    for company in world.companies_of("zendesk"):
        when = calendar.iso(90 - company.n)
        organizations[company.name] = zendesk.make(
            "organizations", name=company.name, domain_names=[company.domain], created_at=when
        )
    for n, person in enumerate(world.of("zendesk")):
        user = _user(zendesk, calendar, person, organizations)
        for ticket in range(1 if n % 4 else 2) if n % 3 else ():
            _ticket(zendesk, calendar, n + ticket, user)
    _front_desk(zendesk, world, calendar)


def _user(zendesk: Simulator, calendar: Calendar, person: Person, organizations: dict[str, Json]) -> Json:
    organization = organizations.get(person.company.name) if person.company else None
    return zendesk.make(
        "users",
        name=person.name,
        email=person.email,
        phone=dirt.phone_on_desk(person),
        role="end-user",
        organization_id=organization["id"] if organization else None,
        created_at=calendar.iso(60 - person.n % 55),
        tags=["vip"] if person.n % 17 == 0 else [],
    )


def _ticket(zendesk: Simulator, calendar: Calendar, n: int, user: Json) -> None:
    subject, tag = SUBJECTS[n % len(SUBJECTS)]
    zendesk.make(
        "tickets",
        subject=subject,
        description=f"Hello, {subject[0].lower()}{subject[1:]}. Could you have a look? Thank you.",
        status=("open", "pending", "solved", "hold", "new")[n % 5],
        priority=("normal", "high", "low", "urgent", None)[n % 5],
        type=("question", "incident", "problem")[n % 3],
        requester_id=user["id"],
        organization_id=user.get("organization_id"),
        tags=[tag],
        created_at=calendar.iso(20 - n % 18),
    )


def _front_desk(zendesk: Simulator, world: World, calendar: Calendar) -> None:
    """Two who write from one mailbox stay two people; one who mistyped the address is refused by HubSpot."""
    company = world.companies[5]
    told = {"role": "end-user", "created_at": calendar.iso(8)}
    zendesk.make("users", name=f"{company.name} front desk", email=dirt.shared_mailbox(company), **told)
    typo = zendesk.make("users", name="Priya Nair", email=dirt.mistyped(world.companies[2]), **told)
    _ticket(zendesk, calendar, 4, typo)
