"""What Stripe knows: plans, payers, subscriptions, invoices and payments."""

from __future__ import annotations

from typing import Any

from sandbox.seeding import dirt
from sandbox.seeding.calendar import Calendar
from sandbox.seeding.world import Address, Company, Person, World
from sandbox.simulator import Simulator
from sandbox.state import Json

PLANS = (("Starter", 1900), ("Team", 4900), ("Business", 14900), ("Premium support", 9900))


def fill(stripe: Simulator, world: World, calendar: Calendar) -> None:
    """Plans, then customers with their subscription, invoices and payments."""
    calendar.go(90)
    prices = [_plan(stripe, n, name, amount) for n, (name, amount) in enumerate(PLANS)]
    payers = [_company(stripe, calendar, company) for company in world.companies_of("stripe")]
    payers += [_person(stripe, calendar, person) for person in world.of("stripe")]
    for n, payer in enumerate(payers):
        _subscribe(stripe, calendar, n, payer["id"], prices[n % len(prices)])
    calendar.go(2)
    stripe.make("invoices", customer=payers[3]["id"], lines=[4900], status=dirt.UNKNOWN_STATUS, number="INV-9001")


def _plan(stripe: Simulator, n: int, name: str, amount: int) -> Json:
    product = stripe.make("products", name=name, type="service", metadata={"sku": f"PLAN-{n + 1}"})
    return stripe.make("prices", product=product["id"], unit_amount=amount, nickname=f"{name} monthly")


def _company(stripe: Simulator, calendar: Calendar, company: Company) -> Json:
    calendar.go(80 - company.n * 0.9)
    # Larger companies pay from a mailbox that several people read.
    email = dirt.shared_mailbox(company) if company.employees > 300 else f"accounts-{company.n}@{company.domain}"
    return stripe.make(
        "customers",
        name=company.name,
        email=email,
        phone=company.phone,
        address=_address(company.address),
        metadata={"company_name": company.name, "company_domain": company.domain},
    )


def _person(stripe: Simulator, calendar: Calendar, person: Person) -> Json:
    calendar.go(78 - person.n % 70)
    metadata: dict[str, str] = {"utm_source": ("ads", "newsletter", "search")[person.n % 3]}
    if person.company:
        metadata |= {"company_name": person.company.name, "company_domain": person.company.domain}
    fields: dict[str, Any] = {"email": dirt.email_at_bank(person), "phone": person.local_phone, "metadata": metadata}
    return stripe.make("customers", name=dirt.name_at_bank(person), address=_address(person.address), **fields)


def _address(address: Address) -> Json:
    place = address.place
    return {
        "line1": address.street,
        "line2": None,
        "city": place.city,
        "state": place.region or None,
        "postal_code": address.postal,
        "country": place.country,
    }


def _subscribe(stripe: Simulator, calendar: Calendar, n: int, customer: str, price: Json) -> None:
    """Two payers in three have a subscription; all have an invoice and its payment."""
    calendar.go(40 - n % 30)
    subscription = stripe.make("subscriptions", customer=customer, price=price["id"]) if n % 3 else None
    calendar.go(25 - n % 20)
    amount = int(price["unit_amount"])
    paid = n % 5 != 0
    stripe.make(
        "invoices",
        customer=customer,
        subscription=subscription["id"] if subscription else None,
        lines=[amount],
        number=f"INV-{1001 + n}",
        status="paid" if paid else "open",
        amount_paid=amount if paid else 0,
        amount_remaining=0 if paid else amount,
    )
    if paid:
        received = {"status": "succeeded", "amount_received": amount, "payment_method_types": ["card"]}
        stripe.make("payment_intents", customer=customer, amount=amount, **received)
