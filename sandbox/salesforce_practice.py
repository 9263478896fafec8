"""Practising with a Salesforce org."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sandbox.practice import Practice, Written
from sandbox.salesforce.schema import Field
from sandbox.state import Json

_ACCOUNT, _DEAL = ("account", "Account"), {"StageName": "Prospecting", "CloseDate": "2026-12-31"}
_PLACE = {"MailingStreet": "1 Main Street", "MailingCity": "Boston", "MailingCountry": "United States"}


class SalesforcePractice(Practice):
    """Seven objects both ways, users to read."""

    system = "salesforce"
    main = "Contact"
    page = 40
    id = "Id"
    credential = "access_token"
    address = "instance_url"
    secret = ""
    keyed = "Throughline_Key__c"
    links: ClassVar[Mapping[str, str]] = {"account": "AccountId", "contact": "WhoId", "parent": "ParentId"}
    writing = ("PATCH", r"/composite/sobjects/\w+/Throughline_Key__c$")
    reading = ("GET", r"/query(All)?(/|$)")
    bulk = ("bulk_from", 50)
    spoils = ("partial", "wrong_length")
    token_path = "/services/oauth2/token"
    edit: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("Account", "Opportunity", "Product2"), "Name"),
        "Contact": "FirstName",
        "Lead": "FirstName",
        "Case": "Subject",
        "Task": "Subject",
        "User": "FirstName",
    }
    written: ClassVar[Mapping[str, Written]] = {
        "Account": Written(
            {"Name": "Account {n}", "Website": "https://a{n}.example", "BillingCity": "Boston"}, {"Name": "Other"}, "BillingCity",
            {"AnnualRevenue": "a-lot-of-money"}, {"Name": "x" * 256}, {"CleanStatus": "no-such-status"}, parent=("parent", "Account")),
        "Contact": Written(
            {"LastName": "Lee", "FirstName": "Ann", "Email": "p{n}@example.com", "Phone": "+12125550100", **_PLACE},
            {"FirstName": "Eve"}, "Phone", {"Email": "no-address-{n}"}, {"LastName": "x" * 81}, {"CleanStatus": "no-such-status"},
            taken="Email", parent=_ACCOUNT),
        "Lead": Written(
            {"LastName": "Lee", "Company": "Company {n}", "Email": "l{n}@example.com", "Phone": "+12125550100"}, {"LastName": "Fox"},
            "Phone", {"Email": "no-address-{n}"}, {"Company": "x" * 256}, {"GeocodeAccuracy": "no-such-accuracy"}),
        "Opportunity": Written(
            {"Name": "Deal {n}", "Amount": 12.5, **_DEAL}, {"Amount": 13.0}, "Amount", {"Amount": "a-lot-of-money"},
            {"Name": "x" * 121}, {"ForecastCategoryName": "no-such-category"}, parent=_ACCOUNT),
        "Case": Written(
            {"Subject": "Case {n}", "Description": "It broke", "Origin": "Web", "Priority": "High"}, {"Subject": "Other"}, "Description",
            {"SuppliedEmail": "no-address-{n}"}, {"Subject": "x" * 256}, parent=_ACCOUNT),
        "Product2": Written(
            {"Name": "Product {n}", "ProductCode": "P-{n}", "IsActive": True}, {"Name": "Other"}, "ProductCode",
            {"IsActive": "neither-nor"}, {"Name": "x" * 256}),
        "Task": Written(
            {"Subject": "Call {n}", "Description": "About it"}, {"Subject": "Mail"}, "Description", {"ActivityDate": "not-a-day"},
            {"Subject": "x" * 256}, {"CallType": "no-such-type"}, parent=("contact", "Contact")),
    }  # fmt: skip

    def settings(self) -> Json:
        """A token of an org with a rule against doubles."""
        self.sim.records.user()
        self.sim.records.admin.duplicate_rules["Contact"] = "Email"
        return super().settings()

    def paged(self, *, large: bool) -> None:
        """Pages of a query, and of a query job's results."""
        self.sim.page_size = 2000 if large else self.page
        self.sim.jobs.most = 50_000 if large else self.page

    def jobs(self) -> int:
        """Query jobs."""
        return len(self.sim.jobs.begun)

    def pushes(self) -> int:
        """Ingest jobs."""
        return len(self.sim.ingest.begun)

    def lose_jobs(self) -> None:
        """As after seven days."""
        self.sim.jobs.drop()
        self.sim.ingest.drop()

    def oauth(self) -> Json:
        """A connected app's client credentials."""
        client, secret = self.sim.client
        return {"instance_url": self.sim.base_url, "client_id": client, "client_secret": secret}

    def deny(self, resource: str) -> None:
        """An object the user may not see."""
        self.sim.forbidden.add(resource)

    def spend(self) -> None:
        """The day's requests are used up."""
        self.sim.used = self.sim.daily_limit

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """A picklist."""
        self.sim.records.add_field(resource, Field("Size__c", "picklist", 40, options=("small", "large")))
        return "Size__c", "picklist", ("small", "large")

    def gone(self, resource: str, obj: Json) -> bool:
        """In the recycle bin."""
        return bool(obj.get("IsDeleted"))

    def remove(self, resource: str, id: str) -> None:
        """Users are never deleted."""
        if resource == "User":
            raise NotImplementedError
        super().remove(resource, id)

    def value(self, resource: str, obj: Json, name: str) -> Any:
        """A field."""
        return obj.get(name)
