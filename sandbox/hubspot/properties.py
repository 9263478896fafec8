"""HubSpot's properties: what exists per object type, what a value must look like, and how HubSpot rewrites it.

Names, types and options are those of HubSpot's default objects; error codes are the ones HubSpot puts in
"Property values were not valid" messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

TYPE_IDS = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "products": "0-7",
    "line_items": "0-8",
}
SINGULAR = {
    "contacts": "contact",
    "companies": "company",
    "deals": "deal",
    "tickets": "ticket",
    "products": "product",
    "line_items": "line_item",
}
MODIFIED = {name: "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate" for name in TYPE_IDS}
TEXT_LIMIT = 65_536


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_LIFECYCLE = _words("subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer evangelist other")
_LEAD_STATUS = _words("NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING")
_INDUSTRY = _words("""
    ACCOUNTING AIRLINES_AVIATION ALTERNATIVE_DISPUTE_RESOLUTION ALTERNATIVE_MEDICINE ANIMATION APPAREL_FASHION
    ARCHITECTURE_PLANNING ARTS_AND_CRAFTS AUTOMOTIVE AVIATION_AEROSPACE BANKING BIOTECHNOLOGY BROADCAST_MEDIA
    BUILDING_MATERIALS BUSINESS_SUPPLIES_AND_EQUIPMENT CAPITAL_MARKETS CHEMICALS CIVIC_SOCIAL_ORGANIZATION
    CIVIL_ENGINEERING COMMERCIAL_REAL_ESTATE COMPUTER_NETWORK_SECURITY COMPUTER_GAMES COMPUTER_HARDWARE
    COMPUTER_NETWORKING COMPUTER_SOFTWARE INTERNET CONSTRUCTION CONSUMER_ELECTRONICS CONSUMER_GOODS
    CONSUMER_SERVICES COSMETICS DAIRY DEFENSE_SPACE DESIGN EDUCATION_MANAGEMENT E_LEARNING
    ELECTRICAL_ELECTRONIC_MANUFACTURING ENTERTAINMENT ENVIRONMENTAL_SERVICES EVENTS_SERVICES EXECUTIVE_OFFICE
    FACILITIES_SERVICES FARMING FINANCIAL_SERVICES FINE_ART FISHERY FOOD_BEVERAGES FOOD_PRODUCTION FUND_RAISING
    FURNITURE GAMBLING_CASINOS GLASS_CERAMICS_CONCRETE GOVERNMENT_ADMINISTRATION GOVERNMENT_RELATIONS GRAPHIC_DESIGN
    HEALTH_WELLNESS_AND_FITNESS HIGHER_EDUCATION HOSPITAL_HEALTH_CARE HOSPITALITY HUMAN_RESOURCES IMPORT_AND_EXPORT
    INDIVIDUAL_FAMILY_SERVICES INDUSTRIAL_AUTOMATION INFORMATION_SERVICES INFORMATION_TECHNOLOGY_AND_SERVICES
    INSURANCE INTERNATIONAL_AFFAIRS INTERNATIONAL_TRADE_AND_DEVELOPMENT INVESTMENT_BANKING INVESTMENT_MANAGEMENT
    JUDICIARY LAW_ENFORCEMENT LAW_PRACTICE LEGAL_SERVICES LEGISLATIVE_OFFICE LEISURE_TRAVEL_TOURISM LIBRARIES
    LOGISTICS_AND_SUPPLY_CHAIN LUXURY_GOODS_JEWELRY MACHINERY MANAGEMENT_CONSULTING MARITIME MARKET_RESEARCH
    MARKETING_AND_ADVERTISING MECHANICAL_OR_INDUSTRIAL_ENGINEERING MEDIA_PRODUCTION MEDICAL_DEVICES MEDICAL_PRACTICE
    MENTAL_HEALTH_CARE MILITARY MINING_METALS MOBILE_GAMES MOTION_PICTURES_AND_FILM MUSEUMS_AND_INSTITUTIONS MUSIC
    NANOTECHNOLOGY NEWSPAPERS NON_PROFIT_ORGANIZATION_MANAGEMENT OIL_ENERGY ONLINE_MEDIA OUTSOURCING_OFFSHORING
    PACKAGE_FREIGHT_DELIVERY PACKAGING_AND_CONTAINERS PAPER_FOREST_PRODUCTS PERFORMING_ARTS PHARMACEUTICALS
    PHILANTHROPY PHOTOGRAPHY PLASTICS POLITICAL_ORGANIZATION PRIMARY_SECONDARY_EDUCATION PRINTING
    PROFESSIONAL_TRAINING_COACHING PROGRAM_DEVELOPMENT PUBLIC_POLICY PUBLIC_RELATIONS_AND_COMMUNICATIONS
    PUBLIC_SAFETY PUBLISHING RAILROAD_MANUFACTURE RANCHING REAL_ESTATE RECREATIONAL_FACILITIES_AND_SERVICES
    RELIGIOUS_INSTITUTIONS RENEWABLES_ENVIRONMENT RESEARCH RESTAURANTS RETAIL SECURITY_AND_INVESTIGATIONS
    SEMICONDUCTORS SHIPBUILDING SPORTING_GOODS SPORTS STAFFING_AND_RECRUITING SUPERMARKETS TELECOMMUNICATIONS
    TEXTILES THINK_TANKS TOBACCO TRANSLATION_AND_LOCALIZATION TRANSPORTATION_TRUCKING_RAILROAD UTILITIES
    VENTURE_CAPITAL_PRIVATE_EQUITY VETERINARY WAREHOUSING WHOLESALE WINE_AND_SPIRITS WIRELESS WRITING_AND_EDITING""")
_DEAL_STAGES = _words(
    "appointmentscheduled qualifiedtobuy presentationscheduled decisionmakerboughtin contractsent closedwon closedlost"
)
_READ_ONLY = frozenset(
    _words("""
    hs_object_id createdate lastmodifieddate hs_lastmodifieddate hs_createdate hs_object_source hs_object_source_id
    hs_object_source_label num_associated_contacts hs_email_optout""")
)

# Property names per object type, `:kind` where it is not text.
_TEXTS: Mapping[str, str] = {
    "contacts": """
        email firstname lastname salutation phone:phone mobilephone:phone fax company jobtitle website address city
        state zip country date_of_birth hs_language hs_additional_emails hubspot_owner_id associatedcompanyid:number
        message annualrevenue:number hs_email_optout:bool hs_analytics_source createdate:datetime
        lastmodifieddate:datetime hs_object_id:number""",
    "companies": """
        name domain website phone:phone address address2 city state zip country description about_us
        annualrevenue:number numberofemployees:number hubspot_owner_id hs_parent_company_id:number founded_year timezone
        hs_num_open_deals:number num_associated_contacts:number createdate:datetime hs_lastmodifieddate:datetime
        hs_object_id:number""",
    "deals": """
        dealname amount:number closedate:datetime pipeline description deal_currency_code hubspot_owner_id hs_next_step
        amount_in_home_currency:number hs_forecast_amount:number num_associated_contacts:number createdate:datetime
        hs_createdate:datetime hs_lastmodifieddate:datetime hs_object_id:number""",
    "tickets": """
        subject content hs_pipeline hs_pipeline_stage hs_ticket_id hubspot_owner_id closed_date:datetime
        createdate:datetime hs_lastmodifieddate:datetime hs_object_id:number""",
    "products": """
        name description hs_sku price:number hs_cost_of_goods_sold:number recurringbillingfrequency hs_url hs_images
        hs_recurring_billing_period createdate:datetime hs_lastmodifieddate:datetime hs_object_id:number""",
    "line_items": """
        name description hs_sku hs_product_id price:number quantity:number amount:number hs_line_item_currency_code
        discount:number createdate:datetime hs_lastmodifieddate:datetime hs_object_id:number""",
}
_PICKLISTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contacts": {"lifecyclestage": _LIFECYCLE, "hs_lead_status": _LEAD_STATUS},
    "companies": {
        "lifecyclestage": _LIFECYCLE,
        "industry": _INDUSTRY,
        "type": ("PROSPECT", "PARTNER", "RESELLER", "VENDOR", "OTHER"),
    },
    "deals": {
        "dealstage": _DEAL_STAGES,
        "dealtype": ("newbusiness", "existingbusiness"),
        "hs_priority": ("low", "medium", "high"),
    },
    "tickets": {
        "hs_ticket_priority": ("LOW", "MEDIUM", "HIGH", "URGENT"),
        "hs_ticket_category": ("PRODUCT_ISSUE", "BILLING_ISSUE", "FEATURE_REQUEST", "GENERAL_INQUIRY"),
        "source_type": ("CHAT", "EMAIL", "FORM", "PHONE"),
    },
    "products": {"hs_product_type": ("inventory", "non_inventory", "service")},
    "line_items": {},
}
REQUIRED: Mapping[str, tuple[str, ...]] = {"tickets": ("hs_pipeline_stage",)}
GROUPS = {"contacts": "contactinformation", "companies": "companyinformation", "deals": "dealinformation"}


@dataclass(frozen=True, slots=True)
class Property:
    """One property of one object type."""

    name: str
    kind: str = "string"  # string, number, bool, date, datetime, enumeration, phone
    options: tuple[str, ...] = ()
    unique: bool = False
    read_only: bool = False
    custom: bool = False
    label: str = ""

    def as_json(self, object_type: str, now: str) -> dict[str, Any]:
        """The property as `GET /crm/v3/properties/{objectType}` shows it."""
        kind = {"phone": "string"}.get(self.kind, self.kind)
        field_type = {
            "number": "number",
            "bool": "booleancheckbox",
            "date": "date",
            "datetime": "date",
            "enumeration": "select",
        }
        return {
            "updatedAt": now,
            "createdAt": now,
            "name": self.name,
            "label": self.label or self.name.replace("hs_", "").replace("_", " ").capitalize(),
            "type": kind,
            "fieldType": "phonenumber" if self.kind == "phone" else field_type.get(kind, "text"),
            "description": "",
            "groupName": GROUPS.get(object_type, f"{SINGULAR.get(object_type, object_type)}information"),
            "options": [
                {"label": o.replace("_", " ").title(), "value": o, "displayOrder": i, "hidden": False}
                for i, o in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": False,
            "externalOptions": self.name == "hubspot_owner_id",
            "archived": False,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": not self.custom,
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyOptions": not self.custom,
                "readOnlyValue": self.read_only,
            },
            "formField": not self.read_only,
            "dataSensitivity": "non_sensitive",
        }


def standard(object_type: str) -> dict[str, Property]:
    """HubSpot's own properties of an object type, by name."""
    found: dict[str, Property] = {}
    for word in _TEXTS[object_type].split():
        name, _, kind = word.partition(":")
        found[name] = Property(name, kind or "string", read_only=name in _READ_ONLY)
    for name, options in _PICKLISTS[object_type].items():
        found[name] = Property(name, "enumeration", options)
    for name in ("hs_object_source", "hs_object_source_id", "hs_object_source_label"):
        found[name] = Property(name, read_only=True)
    return found


class Invalid(ValueError):
    """A value HubSpot refuses, with the code it answers."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


_EMAIL = re.compile(r"[^@\s,;<>()\"]+@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.IGNORECASE)


def _number(prop: Property, text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise Invalid("INVALID_DOUBLE", f"{text} was not a valid number.")
    return text


def _bool(prop: Property, text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise Invalid("INVALID_OPTION", f"{text} was not one of the allowed options: [true, false]")
    return text.lower()


def _enumeration(prop: Property, text: str) -> str:
    if text not in prop.options:
        raise Invalid("INVALID_OPTION", f"{text} was not one of the allowed options: [{', '.join(prop.options)}]")
    return text


def _moment(text: str) -> datetime:
    if re.fullmatch(r"-?\d+", text):
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("INVALID_LONG", f"{text} was not a valid long.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _datetime(prop: Property, text: str) -> str:
    moment = _moment(text).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def _date(prop: Property, text: str) -> str:
    moment = _moment(text).astimezone(UTC)
    if (moment.hour, moment.minute, moment.second) != (0, 0, 0):
        raise Invalid("INVALID_DATE", f"{text} is at {moment.time()} UTC, not midnight!")
    return moment.date().isoformat()


def _text(prop: Property, text: str) -> str:
    if len(text) > TEXT_LIMIT:
        raise Invalid("STRING_TOO_LONG", f"{prop.name} is longer than {TEXT_LIMIT} characters.")
    if prop.name == "email":
        text = text.strip().lower()
        if not _EMAIL.fullmatch(text):
            raise Invalid("INVALID_EMAIL", f"Email address {text} is invalid")
    if prop.name == "domain":
        text = re.sub(r"^https?://", "", text.strip().lower()).split("/")[0].removeprefix("www.")
    return text.strip()


_KINDS: Mapping[str, Callable[[Property, str], str]] = {
    "number": _number,
    "bool": _bool,
    "enumeration": _enumeration,
    "datetime": _datetime,
    "date": _date,
}


def accept(prop: Property, value: Any) -> str:
    """The value as HubSpot stores it: always a string, "" when cleared. Raises Invalid."""
    if prop.read_only:
        raise Invalid("READ_ONLY_VALUE", f'"{prop.name}" is a read only property; its value cannot be set.')
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return _KINDS.get(prop.kind, _text)(prop, text) if text != "" else ""
