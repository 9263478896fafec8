"""Loading: every wrong name is refused with its line and the nearest right one, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

import mappings
from kernel.documents import BadDocuments, parse
from kernel.errors import BadDocument
from mappings.loading import from_documents
from tests.mappings.ground import our_dictionary, our_mappings, written

GOOD = """resource: crm.people
id: key
updated_at: at
when: {path: kind, is: equals, value: person}
produces:
  person:
    entity: contact
    fields:
      email: {path: mail}
      phone: {path: tel, transform: [{phone: {region: {path: land}}}]}
      account: {ref: account, by: {object: firm.id, resource: firms}, write: firm}
      addresses: {items: {main: {city: {path: city}}}}
    write:
      label: {from: [first_name, last_name], transform: [full_name]}
examples:
  - given: {kind: person, mail: a@x.io}
    expect: {person: {email: a@x.io}}
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("entity: contact", "entity: contcat", "crm/people.yaml:7: produces.person.entity: unknown entity 'contcat' (did you mean 'contact'?)"),
        ("email: {path", "emial: {path", "crm/people.yaml:9: produces.person.fields.emial: contact has no field 'emial' (did you mean 'email'?)"),
        ("{path: mail}", "{pth: mail}", "crm/people.yaml:9: produces.person.fields.email.pth: unknown name 'pth' (did you mean 'path'?)"),
        ("{path: mail}", "{}", "crm/people.yaml:9: produces.person.fields.email: needs exactly one source"),
        ("{path: mail}", "{path: mail, const: a@x.io}", "has more than one source"),
        ("{path: mail}", "{const: not mail}", "must be an e-mail address"),
        ("{path: mail}", "{path: mail, default: x}", "must be an e-mail address"),
        ("{path: mail}", "{path: 'a..b'}", "'a..b' is not a path like a.b or $.a.b"),
        ("{path: mail}", "{jmespath: 'a[?'}", "is not a JMESPath expression"),
        ("{path: mail}", "{first_of: []}", "names no path"),
        ("{path: mail}", "{path: mail, direction: sideways}", "'sideways' is not one of the allowed words"),
        ("{path: mail}", "{path: mail, by: {email: x}}", "`by` is for references"),
        ("ref: account", "ref: contact", "must be `ref: account`"),
        ("{object: firm.id, resource: firms}", "{object: firm.id}", "is {object: <path of the id>, resource: <its resource>}"),
        ("{object: firm.id, resource: firms}", "{domian: mail}", "account is not identified by 'domian' (did you mean 'domain'?)"),
        ("resource: firms", "resource: firm", "crm/people.yaml:11: produces.person.fields.account.by.resource: crm has no resource 'firm' (did you mean 'firms'?)"),
        (", by: {object: firm.id, resource: firms}", "", "needs `by`, or `direction: out`"),
        ("items: {main", "items: {mian", "must be one of the declared values (did you mean 'main'?)"),
        ("{city: {path", "{ciy: {path", "unknown field 'ciy' (did you mean 'city'?)"),
        ("is: equals, value: person", "is: equal, value: person", "'equal' is not one of the allowed words (did you mean 'equals'?)"),
        ("is: equals, value: person", "is: equals", "`is: equals` needs a `value`"),
        ("is: equals, value: person", "is: in, value: person", "`is: in` needs a `value` list"),
        ("is: equals, value: person", "is: present, value: 1", "`is: present` takes no `value`"),
        ("is: equals, value: person", "is: after, value: soon", "`is: after` needs a time"),
        ("{path: kind, is: equals, value: person}", "{path: a b, is: present, any: []}", "needs exactly one of"),
        ("from: [first_name, last_name]", "from: [firstname]", "contact has no field 'firstname' (did you mean 'first_name'?)"),
        ("from: [first_name, last_name], ", "", "needs exactly one of `from`, `first_of`, `const`"),
        ("expect: {person:", "expect: {persn:", "crm/people.yaml:17: examples.0.expect.persn: unknown part 'persn' (did you mean 'person'?)"),
        ("id: key\n", "", "needs `id` beside it"),
        ("resource: crm.people", "resource: crm", "resource: String should match pattern"),
        ("resource: crm.people", "resource: crm.persons", "must stand in crm/persons.yaml"),
        ("resource: crm.people", "resource: crn.people", "unknown system 'crn' (did you mean 'crm'?)"),
        ("  person:\n    entity", "  Person:\n    entity", "String should match pattern"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_line_and_near_match(old: str, new: str, told: str) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(BadDocument) as caught:
        written(text, file="crm/people.yaml", known={"crm": ["people", "firms"]})
    assert told in str(caught.value)


def test_the_good_one_is_good() -> None:
    mapping = written(GOOD, file="crm/people.yaml", known={"crm": ["people", "firms"]})
    assert mapping.resource == "crm.people"


def test_a_required_field_must_be_mapped() -> None:
    with pytest.raises(BadDocument, match="account requires 'name'; map it"):
        written("resource: a.b\nproduces:\n  p: {entity: account, fields: {domain: {path: d}}}\n")


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "people.yaml").write_text(GOOD.replace("email:", "emial:").replace("[full_name]", "[fullname]"))
    (tmp_path / "crm" / "firms.yaml").write_text("resource: crm.firms\nproduces: {}\nexampels: []\n")
    with pytest.raises(BadDocuments) as caught:
        mappings.load(tmp_path, our_dictionary(), known_resources={"crm": ("people", "firms")})
    assert [(Path(error.file).name, error.line) for error in caught.value.errors] == [
        ("firms.yaml", 3),
        ("people.yaml", 9),
        ("people.yaml", 14),
    ]


def test_one_resource_has_one_mapping() -> None:
    with pytest.raises(BadDocument, match=r"'crm.people' is also in crm/people\.yaml"):
        from_documents([parse(GOOD, file="crm/people.yaml"), parse(GOOD, file="x/crm/people.yaml")], our_dictionary())


def test_mappings_by_resource_and_revision() -> None:
    found = our_mappings()
    assert found.get("hubspot.contacts") is not None
    assert found.get("hubspot.nothing") is None
    assert "stripe.customers" in found
    one = from_documents([parse(GOOD)], our_dictionary())
    assert from_documents([parse("# remark\n" + GOOD)], our_dictionary()).revision == one.revision
    assert from_documents([parse(GOOD.replace("path: tel", "path: fon"))], our_dictionary()).revision != one.revision


def test_every_system_of_the_first_six_has_its_mappings() -> None:
    assert {mapping.resource for mapping in our_mappings()} >= {
        "stripe.customers", "stripe.products", "stripe.invoices", "stripe.payment_intents", "stripe.subscriptions",
        "typeform.responses", "web_form.submissions", "hubspot.contacts", "hubspot.companies", "hubspot.deals",
        "hubspot.tickets", "hubspot.products", "salesforce.Account", "salesforce.Contact", "salesforce.Lead",
        "salesforce.Opportunity", "salesforce.Case", "salesforce.Product2", "shopify.customers", "shopify.products",
        "shopify.orders", "zendesk.users", "zendesk.organizations", "zendesk.tickets", "csv.accounts", "csv.contacts",
        "csv.products", "csv.deals",
    }  # fmt: skip
