"""What HubSpot and Salesforce know before anything is sent there: some of the same people and companies, and open deals."""

from __future__ import annotations

from typing import Any

from sandbox.hubspot.simulator import HubSpot
from sandbox.seeding.calendar import Calendar
from sandbox.seeding.world import Company, Person, World
from sandbox.simulator import Simulator

_HUBSPOT_STAGES = ("appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "closedwon", "contractsent")
_SALESFORCE_STAGES = ("Prospecting", "Value Proposition", "Negotiation/Review", "Closed Won", "Closed Lost")

_KEY = {"name": "throughline_key", "label": "Throughline key", "type": "string", "hasUniqueValue": True}
"""What an administrator adds once per object type; `throughline check` says so where it is missing."""


def fill_hubspot(hubspot: Simulator, world: World, calendar: Calendar) -> None:
    """The unique property that holds our key, companies, contacts with theirs, and marketing's deals."""
    assert isinstance(hubspot, HubSpot)
    calendar.go(120)
    for kind in ("companies", "contacts", "deals", "tickets", "products"):
        hubspot.store.add_property(kind, _KEY)
    companies: dict[str, str] = {}
    for company in world.companies_of("hubspot"):
        calendar.go(85 - company.n)
        companies[company.name] = hubspot.make("companies", **_hubspot_company(company))["id"]
    for person in world.of("hubspot"):
        calendar.go(50 - person.n % 45)
        link = (
            {"company": companies[person.company.name]} if person.company and person.company.name in companies else {}
        )
        hubspot.make("contacts", **_hubspot_contact(person), **link)
    for n, (name, id) in enumerate(list(companies.items())[:14]):
        calendar.go(12 - n % 10)
        stage = _HUBSPOT_STAGES[n % len(_HUBSPOT_STAGES)]
        closes = calendar.iso(-20 - n) if stage != "closedwon" else calendar.iso(1)
        told = {"dealname": f"{name}: rollout", "amount": str(4000 + 850 * n), "dealstage": stage, "closedate": closes}
        hubspot.make("deals", **told, dealtype="newbusiness", pipeline="default", company=id)


def _hubspot_company(company: Company) -> dict[str, Any]:
    return {
        "name": company.name,
        "domain": company.domain,
        "phone": company.phone,
        "industry": company.industry,
        "numberofemployees": str(company.employees),
        "city": company.address.place.city,
        "lifecyclestage": ("customer", "opportunity", "lead")[company.n % 3],
    }


def _hubspot_contact(person: Person) -> dict[str, Any]:
    fields = {"email": person.email, "firstname": person.first, "lastname": person.last}
    if person.n % 4:
        fields |= {"phone": person.phone, "city": person.address.place.city}
    if person.company:
        fields |= {"jobtitle": person.title, "lifecyclestage": ("lead", "customer", "subscriber")[person.n % 3]}
    return fields


def fill_salesforce(salesforce: Simulator, world: World, calendar: Calendar) -> None:
    """Accounts, contacts with theirs, and sales' opportunities."""
    accounts: dict[str, str] = {}
    for company in world.companies_of("salesforce"):
        calendar.go(88 - company.n)
        accounts[company.name] = salesforce.make("Account", **_salesforce_account(company))["Id"]
    for person in world.of("salesforce"):
        calendar.go(52 - person.n % 45)
        account = accounts.get(person.company.name) if person.company else None
        salesforce.make("Contact", **_salesforce_contact(person), **({"AccountId": account} if account else {}))
    for n, (name, id) in enumerate(list(accounts.items())[:16]):
        calendar.go(14 - n % 10)
        stage = _SALESFORCE_STAGES[n % len(_SALESFORCE_STAGES)]
        closes = calendar.date(-30 - n) if not stage.startswith("Closed") else calendar.date(2)
        told = {"Name": f"{name}: renewal", "StageName": stage, "CloseDate": closes, "Amount": 5200 + 940 * n}
        salesforce.make("Opportunity", **told, AccountId=id)


def _salesforce_account(company: Company) -> dict[str, Any]:
    place = company.address.place
    return {
        # Sales writes the legal form too; the domain still says that it is the same company.
        "Name": f"{company.name} Ltd" if company.n % 5 == 0 else company.name,
        "Website": f"https://www.{company.domain}",
        "Phone": company.phone,
        "Industry": company.sector,
        "NumberOfEmployees": company.employees,
        "Type": "Customer - Direct" if company.n % 3 else "Prospect",
        "BillingStreet": company.address.street,
        "BillingCity": place.city,
        "BillingState": place.region or None,
        "BillingPostalCode": company.address.postal,
        "BillingCountry": {"US": "United States", "GB": "United Kingdom", "DE": "Germany"}[place.country],
    }


def _salesforce_contact(person: Person) -> dict[str, Any]:
    fields = {"FirstName": person.first, "LastName": person.last, "Phone": person.phone, "Title": person.title}
    # Sales did not ask everybody for an address: number and name say who it is.
    return fields if person.n % 10 == 3 else {**fields, "Email": person.email}
