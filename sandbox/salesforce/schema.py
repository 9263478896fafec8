"""Salesforce's standard objects: their fields, and how a describe shows them.

A field is written `Name:type:length` with marks: `!` required on create, `-` read-only, `+` createable only,
`~` updateable only, `=R` a restricted picklist. Names, types and lengths are those of every org.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.state import Json

PREFIXES = {
    "Account": "001",
    "Contact": "003",
    "Lead": "00Q",
    "Opportunity": "006",
    "Case": "500",
    "Product2": "01t",
    "Task": "00T",
    "User": "005",
    "Profile": "00e",
    "RecordType": "012",
}
_SYSTEM = """
    Id:id:18- IsDeleted:boolean- CreatedDate:datetime- CreatedById:reference>User- LastModifiedDate:datetime-
    LastModifiedById:reference>User- SystemModstamp:datetime-"""
_ADDRESS = "{0}Street:textarea:255 {0}City:string:40 {0}State:string:80 {0}PostalCode:string:20 {0}Country:string:80" \
    " {0}Latitude:double {0}Longitude:double {0}GeocodeAccuracy:picklist:40=R"  # fmt: skip
_OBJECTS = {
    "Account": f"""
        MasterRecordId:reference>Account- Name:string:255! Type:picklist:40 ParentId:reference>Account
        {_ADDRESS.format("Billing")} {_ADDRESS.format("Shipping")} Phone:phone:40 Fax:phone:40 AccountNumber:string:40
        Website:url:255 Sic:string:20 Industry:picklist:40 AnnualRevenue:currency NumberOfEmployees:int
        Ownership:picklist:40 TickerSymbol:string:20 Description:textarea:32000 Rating:picklist:40 Site:string:80
        OwnerId:reference>User CleanStatus:picklist:40=R AccountSource:picklist:40 LastActivityDate:date-
        DunsNumber:string:9 Tradestyle:string:255 NaicsCode:string:8 NaicsDesc:string:120 YearStarted:string:4
        SicDesc:string:80 Jigsaw:string:20 RecordTypeId:reference>RecordType""",
    "Contact": f"""
        MasterRecordId:reference>Contact- AccountId:reference>Account LastName:string:80! FirstName:string:40
        Salutation:picklist:40 Name:string:121- {_ADDRESS.format("Other")} {_ADDRESS.format("Mailing")} Phone:phone:40
        Fax:phone:40 MobilePhone:phone:40 HomePhone:phone:40 OtherPhone:phone:40 AssistantPhone:phone:40
        ReportsToId:reference>Contact Email:email:80 Title:string:128 Department:string:80 AssistantName:string:40
        LeadSource:picklist:255 Birthdate:date Description:textarea:32000 OwnerId:reference>User DoNotCall:boolean
        HasOptedOutOfEmail:boolean HasOptedOutOfFax:boolean EmailBouncedReason:string:255 EmailBouncedDate:datetime
        IsEmailBounced:boolean- Jigsaw:string:20 CleanStatus:picklist:40=R""",
    "Lead": f"""
        MasterRecordId:reference>Lead- LastName:string:80! FirstName:string:40 Salutation:picklist:40 Name:string:121-
        Title:string:128 Company:string:255! {_ADDRESS.format("")} Phone:phone:40 MobilePhone:phone:40 Fax:phone:40
        Email:email:80 Website:url:255 Description:textarea:32000 LeadSource:picklist:255 Status:picklist:255
        Industry:picklist:255 Rating:picklist:255 AnnualRevenue:currency NumberOfEmployees:int OwnerId:reference>User
        DoNotCall:boolean HasOptedOutOfEmail:boolean HasOptedOutOfFax:boolean IsConverted:boolean+ ConvertedDate:date-
        ConvertedAccountId:reference>Account- ConvertedContactId:reference>Contact-
        ConvertedOpportunityId:reference>Opportunity-""",
    "Opportunity": """
        AccountId:reference>Account IsPrivate:boolean Name:string:120! Description:textarea:32000
        StageName:picklist:255! Amount:currency Probability:percent ExpectedRevenue:currency-
        TotalOpportunityQuantity:double CloseDate:date! Type:picklist:255 NextStep:string:255 LeadSource:picklist:255
        IsClosed:boolean- IsWon:boolean- ForecastCategory:picklist:40-=R ForecastCategoryName:picklist:255=R
        CampaignId:reference>Campaign OwnerId:reference>User ContactId:reference>Contact+""",
    "Case": """
        MasterRecordId:reference>Case- CaseNumber:string:30- ContactId:reference>Contact AccountId:reference>Account
        ParentId:reference>Case SuppliedName:string:80 SuppliedEmail:email:80 SuppliedPhone:string:40
        SuppliedCompany:string:80 Type:picklist:40 Status:picklist:40 Reason:picklist:40 Origin:picklist:40
        Subject:string:255 Priority:picklist:40 Description:textarea:32000 IsClosed:boolean- ClosedDate:datetime-
        IsEscalated:boolean OwnerId:reference>User""",
    "Product2": """
        Name:string:255! ProductCode:string:255 Description:textarea:4000 IsActive:boolean Family:picklist:255
        QuantityUnitOfMeasure:picklist:255 StockKeepingUnit:string:180 DisplayUrl:url:1000""",
    "Task": """
        WhoId:reference>Contact,Lead WhatId:reference>Account,Opportunity,Case Subject:combobox:255 ActivityDate:date
        Status:picklist:255 Priority:picklist:255 Description:textarea:32000 TaskSubtype:picklist:40=R
        CallType:picklist:40=R CallDurationInSeconds:int CompletedDateTime:datetime- IsClosed:boolean-
        OwnerId:reference>User""",
    "User": """
        Username:string:80! LastName:string:80! FirstName:string:40 Name:string:121- Email:email:128! IsActive:boolean
        Title:string:80 Department:string:80 ProfileId:reference>Profile TimeZoneSidKey:picklist:40""",
}
PICKLISTS: Mapping[str, tuple[str, ...]] = {
    "Account.Type": ("Prospect", "Customer - Direct", "Customer - Channel", "Technology Partner", "Other"),
    "Industry": (
        "Agriculture",
        "Apparel",
        "Banking",
        "Biotechnology",
        "Consulting",
        "Electronics",
        "Energy",
        "Finance",
        "Other",
    ),
    "Rating": ("Hot", "Warm", "Cold"),
    "Salutation": ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof."),
    "LeadSource": ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
    "AccountSource": ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
    "Lead.Status": ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"),
    "StageName": ("Prospecting", "Qualification", "Needs Analysis", "Value Proposition", "Closed Won", "Closed Lost"),
    "ForecastCategoryName": ("Omitted", "Pipeline", "Best Case", "Commit", "Closed"),
    "Opportunity.Type": ("Existing Customer - Upgrade", "Existing Customer - Replacement", "New Customer"),
    "Case.Type": ("Mechanical", "Electrical", "Electronic", "Structural", "Other"),
    "Case.Status": ("New", "Working", "Escalated", "Closed"),
    "Origin": ("Phone", "Email", "Web"),
    "Case.Priority": ("High", "Medium", "Low"),
    "Task.Status": ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"),
    "Task.Priority": ("High", "Normal", "Low"),
    "TaskSubtype": ("Task", "Email", "Call", "ListEmail"),
    "CallType": ("Internal", "Inbound", "Outbound"),
    "CleanStatus": ("Matched", "Different", "Acknowledged", "NotFound", "Inactive", "Pending"),
    "GeocodeAccuracy": ("Address", "NearAddress", "Block", "Street", "ExtendedZip", "Zip"),
}
DEFAULTS: Mapping[str, Json] = {
    "Account": {},
    "Contact": {"DoNotCall": False, "HasOptedOutOfEmail": False, "HasOptedOutOfFax": False, "IsEmailBounced": False},
    "Lead": {
        "Status": "Open - Not Contacted",
        "IsConverted": False,
        "DoNotCall": False,
        "HasOptedOutOfEmail": False,
        "HasOptedOutOfFax": False,
    },
    "Opportunity": {"IsPrivate": False},
    "Case": {"Status": "New", "IsEscalated": False},
    "Product2": {"IsActive": False},
    "Task": {"Status": "Not Started", "Priority": "Normal", "TaskSubtype": "Task"},
    "User": {"IsActive": True},
}
_FLAGS = ("createable", "updateable")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one object."""

    name: str
    kind: str = "string"
    length: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    options: tuple[str, ...] = ()
    restricted: bool = False
    points_to: tuple[str, ...] = ()
    external_id: bool = False
    unique: bool = False

    @property
    def relationship(self) -> str:
        """The name by which SOQL reaches the record a reference points to."""
        return self.name.removesuffix("Id") if not self.name.endswith("__c") else f"{self.name[:-3]}__r"

    def as_json(self) -> Json:
        """The field as a describe shows it."""
        custom = self.name.endswith("__c")
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.kind,
            "length": self.length,
            "byteLength": self.length * 3,
            "custom": custom,
            "nillable": not self.required and self.kind not in ("id", "boolean"),
            "createable": self.createable,
            "updateable": self.updateable,
            "defaultedOnCreate": self.kind == "boolean" or self.name == "OwnerId",
            "unique": self.unique,
            "externalId": self.external_id,
            "idLookup": self.kind == "id" or self.external_id or self.name == "Email",
            "caseSensitive": False,
            "calculated": False,
            "nameField": self.name in ("Name", "CaseNumber", "Subject"),
            "referenceTo": list(self.points_to),
            "relationshipName": self.relationship if self.points_to else None,
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {"active": True, "defaultValue": False, "label": one, "validFor": None, "value": one}
                for one in self.options
            ],
            "filterable": self.kind != "textarea",
            "sortable": self.kind != "textarea",
            "soapType": {"boolean": "xsd:boolean", "int": "xsd:int", "reference": "tns:ID", "id": "tns:ID"}.get(
                self.kind, "xsd:string"
            ),
            "deprecatedAndHidden": False,
            "polymorphicForeignKey": len(self.points_to) > 1,
        }


def standard(resource: str) -> dict[str, Field]:
    """The fields of a standard object, by name."""
    system = _SYSTEM if resource != "User" else _SYSTEM.replace("IsDeleted:boolean-", "")
    return {
        field.name: field for field in (_field(resource, word) for word in f"{system} {_OBJECTS[resource]}".split())
    }


def _field(resource: str, word: str) -> Field:
    restricted = word.endswith("=R")
    word = word.removesuffix("=R")
    mark = word[-1] if word[-1] in "!-+~" else ""
    name, _, rest = word.rstrip("!-+~").partition(":")
    kind, _, length = rest.partition(":")
    kind, _, target = kind.partition(">")
    options = PICKLISTS.get(f"{resource}.{name}") or PICKLISTS.get(name)
    if options is None and name.endswith("GeocodeAccuracy"):
        options = PICKLISTS["GeocodeAccuracy"]
    made = Field(name, kind, int(length or (18 if kind == "reference" else 0)), mark == "!", options=options or ())
    return replace(
        made,
        createable=mark not in ("-", "~"),
        updateable=mark not in ("-", "+"),
        restricted=restricted,
        points_to=tuple(target.split(",")) if target else (),
    )


def describe(resource: str, fields: Mapping[str, Field]) -> dict[str, Any]:
    """An object as `GET sobjects/{O}/describe` shows it."""
    writable = resource != "User"
    return {
        "name": resource,
        "label": resource.removesuffix("2"),
        "labelPlural": f"{resource.removesuffix('2')}s",
        "keyPrefix": PREFIXES[resource],
        "custom": resource.endswith("__c"),
        "queryable": True,
        "createable": writable,
        "updateable": writable,
        "deletable": writable,
        "undeletable": writable,
        "retrieveable": True,
        "replicateable": True,
        "searchable": True,
        "triggerable": True,
        "mergeable": resource in ("Account", "Contact", "Lead"),
        "layoutable": True,
        "deprecatedAndHidden": False,
        "customSetting": False,
        "feedEnabled": True,
        "mruEnabled": True,
        "childRelationships": [],
        "recordTypeInfos": [],
        "supportedScopes": [{"label": "All", "name": "everything"}],
        "actionOverrides": [],
        "urls": {"sobject": f"/services/data/v62.0/sobjects/{resource}"},
        "fields": [field.as_json() for field in fields.values()],
    }
