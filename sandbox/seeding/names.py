"""The words the invented customers are made of. Telephone numbers and company domains are those reserved for fiction."""

from __future__ import annotations

from typing import NamedTuple


def _words(text: str) -> list[str]:
    return text.split()


class Place(NamedTuple):
    """A city, how its addresses look, and where its telephone numbers for fiction begin."""

    city: str
    region: str
    postal: str
    country: str
    prefix: str  # E.164 up to the last digits
    digits: int  # how many of them are free
    first: int
    local: str  # the number as people there write it, with {n} for its free digits


PLACES = (
    # 555-0100 to 555-0199 of every US area code is kept for fiction.
    Place("Boston", "MA", "021{n:02d}", "US", "+16175550", 3, 100, "(617) 555-0{n}"),
    Place("Austin", "TX", "787{n:02d}", "US", "+15125550", 3, 100, "512.555.0{n}"),
    Place("Denver", "CO", "802{n:02d}", "US", "+13035550", 3, 100, "303-555-0{n}"),
    Place("Seattle", "WA", "981{n:02d}", "US", "+12065550", 3, 100, "+1 206 555 0{n}"),
    Place("Chicago", "IL", "606{n:02d}", "US", "+13125550", 3, 100, "1-312-555-0{n}"),
    Place("Portland", "OR", "972{n:02d}", "US", "+15035550", 3, 100, "(503) 555 0{n}"),
    # Ofcom keeps 020 7946 0xxx and 0113 496 0xxx.
    Place("London", "", "EC{n}A 1BB", "GB", "+442079460", 3, 0, "020 7946 0{n}"),
    Place("Leeds", "", "LS{n} 4DY", "GB", "+441134960", 3, 0, "0113 496 0{n}"),
    # The Bundesnetzagentur keeps 030 23125 xxx and 040 66969 xxx.
    Place("Berlin", "BE", "101{n:02d}", "DE", "+493023125", 3, 0, "030 / 23125-{n}"),
    Place("Hamburg", "HH", "200{n:02d}", "DE", "+494066969", 3, 0, "040 66969 {n}"),
)

FIRST = _words("""
    Ada Amara Aisha Alan Amelia Andre Anika Arjun Astrid Beatriz Bram Callum Carmen Chen Clara Daniel Daria Dev Diego Dmitri
    Edith Elena Elias Emeka Esther Farah Felix Fiona Freya Gabriel Greta Hana Hassan Helen Hugo Ibrahim Ines Iris Isaac Ivan
    Jamal Jana Jonas Josephine Julia Kai Karim Keiko Lars Layla Leah Leon Lin Lucas Luisa Magnus Marta Maxim Mei Milan Mina
    Nadia Nathan Nina Noah Nora Olga Omar Oscar Paula Pedro Petra Priya Quentin Rafael Ravi Rosa Ruth Samir Sara Selma Simon
    Sofia Stefan Tariq Thea Tobias Uma Vera Victor Wanda Wei Yara Yusuf Zara Zoe""")

LAST = _words("""
    Abara Ahmed Almeida Andersen Baker Banerjee Bauer Becker Bergstrom Brandt Brooks Carter Castillo Chowdhury Costa Delgado
    Dubois Ekwueme Eriksen Farrell Fischer Fontaine Garcia Gruber Haddad Hansen Hartmann Hayashi Hoffmann Hughes Ibarra Ivanova
    Jansen Jensen Kamara Kaya Keller Khan Kimura Kowalski Krause Laurent Lindqvist Lopez Mahler Marino Mbeki Meyer Moreau
    Murphy Nakamura Neumann Novak Nwosu Obi Olsen Ortega Osei Park Patel Pereira Quinn Rahman Reyes Richter Rossi Sato Schulz
    Sharma Silva Singh Sorensen Suzuki Tanaka Torres Tran Usman Vargas Vogel Wagner Walsh Weber Yilmaz Zhang Zimmermann""")

NICKNAMES = {"Daniel": "Dan", "Gabriel": "Gabe", "Josephine": "Jo", "Lucas": "Luke", "Nathan": "Nate", "Samir": "Sam"}
"""Short forms that people give to the shop and not to their bank."""

TITLES = (
    "Head of Operations",
    "Office Manager",
    "VP Sales",
    "Procurement Lead",
    "IT Manager",
    "Founder",
    "Marketing Manager",
    "Customer Success Lead",
    "CFO",
    "Workshop Lead",
)

_STEMS = _words("""
    Alder Amber Anchor Aspen Beacon Birch Bramble Cedar Cinder Clover Cobalt Compass Copper Coral Crane Dune Ember Falcon Fern
    Flint Garnet Granite Harbor Hazel Heron Indigo Ivory Juniper Kestrel Lantern Larch Lumen Maple Marble Meridian Mica Nimbus
    Northgate Oakline Onyx Orchard Osprey Paper Pebble Pine Quarry Quill Raven Ridge Rowan Saffron Sage Sable Slate Sparrow
    Spruce Summit Tallow Tamarack Thistle Tidal Umber Vale Verbena Walnut Willow Wren Yarrow Zephyr""")

# What the company does: the last word of its name, HubSpot's industry, Salesforce's, and its usual size.
_TRADES = (
    ("Labs", "COMPUTER_SOFTWARE", "Technology", 40),
    ("Logistics", "LOGISTICS_AND_SUPPLY_CHAIN", "Transportation", 220),
    ("Foods", "FOOD_BEVERAGES", "Food & Beverage", 130),
    ("Health", "HOSPITAL_HEALTH_CARE", "Healthcare", 310),
    ("Studio", "MARKETING_AND_ADVERTISING", "Media", 12),
    ("Energy", "OIL_ENERGY", "Energy", 560),
    ("Capital", "FINANCIAL_SERVICES", "Finance", 75),
    ("Outfitters", "RETAIL", "Retail", 28),
)


def company_names(count: int) -> list[tuple[str, tuple[str, str, str, int]]]:
    """Names of companies with their trade; at most as many as there are stems."""
    return [(f"{stem} {_TRADES[n % 8][0]}", _TRADES[n % 8]) for n, stem in enumerate(_STEMS[:count])]
