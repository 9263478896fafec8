"""The GraphQL documents this connector can send; a test validates each against Shopify's full Admin schema.

Nested connections carry their `pageInfo`: what does not fit the first page is fetched with `more_of`, never cut.
The sizes keep one page near half of the 1,000 points a query may cost (shopify.dev, API rate limits).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_INFO = "pageInfo { hasNextPage endCursor }"
_MONEY = "shopMoney { amount currencyCode }"
_ADDRESS = "firstName lastName company address1 address2 city province provinceCode zip country countryCodeV2 phone"
_METAFIELD = "namespace key type jsonValue"
_VISIT = "source sourceType landingPage referrerUrl occurredAt utmParameters { source medium campaign term content }"
_VARIANT = (
    "id legacyResourceId title sku barcode price compareAtPrice inventoryQuantity position taxable createdAt updatedAt "
    "selectedOptions { name value }"
)
_LINE = (
    "id title name sku vendor variantTitle quantity currentQuantity requiresShipping taxable isGiftCard "
    f"product {{ id }} variant {{ id }} originalUnitPriceSet {{ {_MONEY} }} originalTotalSet {{ {_MONEY} }} "
    f"discountedTotalSet {{ {_MONEY} }} totalDiscountSet {{ {_MONEY} }}"
)
_REFUND_LINE = f"quantity restockType lineItem {{ id }} subtotalSet {{ {_MONEY} }} totalTaxSet {{ {_MONEY} }}"


@dataclass(frozen=True, slots=True)
class Shape:
    """One resource as GraphQL sees it: type and root field names, what is selected, which nested connections it has."""

    type: str
    root: str  # the connection of QueryRoot
    owner: str  # MetafieldOwnerType
    fields: str
    nested: Mapping[str, str]  # connection field -> selection of its nodes
    nested_size: int = 10
    kinds: Mapping[str, str] = field(default_factory=dict)  # connection field -> type of its nodes
    by_identifier: str = ""
    setter: str = ""
    deleter: str = ""
    deleted_id: str = ""
    scopes: tuple[str, ...] = ()
    capped: Mapping[str, int] = field(default_factory=dict)  # lists the schema cannot page -> what was asked for

    def selection(self) -> str:
        """The whole selection set of one object, without its braces."""
        nested = [
            f"{name}(first: {self.nested_size}) {{ nodes {{ {inner} }} {_INFO} }}"
            for name, inner in self.nested.items()
        ]
        return " ".join([self.fields, *nested])


MAX_REFUNDS = 100

SHAPES: Mapping[str, Shape] = {
    "customers": Shape(
        type="Customer",
        root="customers",
        owner="CUSTOMER",
        fields=(
            "id legacyResourceId createdAt updatedAt firstName lastName displayName state note locale tags taxExempt "
            "verifiedEmail numberOfOrders amountSpent { amount currencyCode } "
            "defaultEmailAddress { emailAddress validFormat marketingState marketingOptInLevel marketingUpdatedAt } "
            "defaultPhoneNumber { phoneNumber smsMarketingConsent { state optInLevel updatedAt } } "
            f"defaultAddress {{ id {_ADDRESS} }}"
        ),
        nested={"addressesV2": f"id {_ADDRESS}", "metafields": _METAFIELD},
        kinds={"addressesV2": "MailingAddress", "metafields": "Metafield"},
        by_identifier="customerByIdentifier",
        setter="customerSet",
        deleter="customerDelete",
        deleted_id="deletedCustomerId",
        scopes=("read_customers", "write_customers"),
    ),
    "products": Shape(
        type="Product",
        root="products",
        owner="PRODUCT",
        fields=(
            "id legacyResourceId createdAt updatedAt publishedAt title handle descriptionHtml vendor productType "
            "status tags isGiftCard totalInventory priceRangeV2 { minVariantPrice { amount currencyCode } } "
            "category { id fullName } seo { title description } options { id name position values }"
        ),
        nested={"variants": _VARIANT, "metafields": _METAFIELD},
        kinds={"variants": "ProductVariant", "metafields": "Metafield"},
        by_identifier="productByIdentifier",
        setter="productSet",
        deleter="productDelete",
        deleted_id="deletedProductId",
        scopes=("read_products", "write_products"),
    ),
    "orders": Shape(
        type="Order",
        root="orders",
        owner="ORDER",
        fields=(
            "id legacyResourceId name email phone createdAt updatedAt processedAt cancelledAt cancelReason closedAt "
            "confirmed test note tags poNumber sourceName sourceIdentifier currencyCode presentmentCurrencyCode "
            "customerLocale displayFinancialStatus displayFulfillmentStatus discountCodes taxesIncluded "
            "customer { id } "
            f"totalPriceSet {{ {_MONEY} }} currentTotalPriceSet {{ {_MONEY} }} subtotalPriceSet {{ {_MONEY} }} "
            f"totalTaxSet {{ {_MONEY} }} totalShippingPriceSet {{ {_MONEY} }} totalDiscountsSet {{ {_MONEY} }} "
            f"totalRefundedSet {{ {_MONEY} }} billingAddress {{ {_ADDRESS} }} shippingAddress {{ {_ADDRESS} }} "
            f"customerJourneySummary {{ firstVisit {{ {_VISIT} }} lastVisit {{ {_VISIT} }} }} "
            f"refunds(first: {MAX_REFUNDS}) {{ id createdAt note totalRefundedSet {{ {_MONEY} }} }}"
        ),
        nested={"lineItems": _LINE, "metafields": _METAFIELD},
        kinds={"lineItems": "LineItem", "metafields": "Metafield"},
        scopes=("read_orders", "read_all_orders"),
        capped={"refunds": MAX_REFUNDS},
    ),
}
REFUND = Shape(type="Refund", root="", owner="", fields="id", nested={"refundLineItems": _REFUND_LINE}, nested_size=50)

CHECK = (
    "query Check { shop { name myshopifyDomain currencyCode plan { publicDisplayName shopifyPlus } } "
    "currentAppInstallation { accessScopes { handle } } }"
)
KEY_DEFINITION = (
    "query KeyDefinition($owner: MetafieldOwnerType!, $namespace: String!, $key: String!) { "
    "metafieldDefinitions(first: 1, ownerType: $owner, namespace: $namespace, key: $key) { "
    "nodes { type { name } capabilities { uniqueValues { enabled } } } } }"
)
DEFINE_KEY = (
    "mutation DefineKey($definition: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $definition) { "
    "createdDefinition { id } userErrors { field message code } } }"
)
DEFINITIONS = (
    "query Definitions($owner: MetafieldOwnerType!, $after: String) { "
    "metafieldDefinitions(first: 100, ownerType: $owner, after: $after) { "
    f"nodes {{ namespace key name type {{ name }} validations {{ name value }} }} {_INFO} }} }}"
)
_TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name } } }"
TYPE = (
    f"query Type($name: String!) {{ __type(name: $name) {{ fields {{ name description type {{ {_TYPE} }} }} "
    f"inputFields {{ name type {{ {_TYPE} }} }} enumValues {{ name }} }} }}"
)


def page(shape: Shape, *, counted: bool = False) -> str:
    """One page of a resource in the order its objects were updated; `counted` with how many there are, up to 10,000."""
    count = f" count: {shape.root}Count {{ count }}" if counted else ""
    return (
        f"query Page($first: Int!, $after: String, $query: String) {{ "
        f"{shape.root}(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{ "
        f"nodes {{ {shape.selection()} }} {_INFO} }}{count} }}"
    )


RUN_BULK = (
    "mutation RunBulk($query: String!) { bulkOperationRunQuery(query: $query, groupObjects: true) { "
    "bulkOperation { id } userErrors { field message code } } }"
)
BULK_STATE = "query BulkState($id: ID!) { bulkOperation(id: $id) { status errorCode url fileSize rootObjectCount } }"


def bulk_of(shape: Shape) -> str:
    """What a bulk operation is asked: every object, nested ones with their type to tell them apart."""
    nested = " ".join(
        f"{name} {{ edges {{ node {{ __typename {inner if inner.startswith('id ') else f'id {inner}'} }} }} }}"
        for name, inner in shape.nested.items()
    )
    return f"{{ {shape.root} {{ edges {{ node {{ {shape.fields} {nested} }} }} }} }}"


def by_ids(shape: Shape) -> str:
    """The named objects as they are now; null where there is none."""
    return f"query ByIds($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {shape.type} {{ {shape.selection()} }} }} }}"


def more_of(shape: Shape, connection: str) -> str:
    """The rest of one object's nested connection."""
    return (
        f"query More($id: ID!, $after: String) {{ node(id: $id) {{ ... on {shape.type} {{ "
        f"{connection}(first: 100, after: $after) {{ nodes {{ {shape.nested[connection]} }} {_INFO} }} }} }} }}"
    )


def by_custom_ids(shape: Shape, count: int) -> str:
    """`count` look-ups by our key in one document, answered under `k0`, `k1`, …"""
    kind = f"{shape.type}IdentifierInput!"
    return _aliased(
        "query Find", kind, "k", count, lambda n: f"{shape.by_identifier}(identifier: $k{n}) {{ {shape.selection()} }}"
    )


def _aliased(head: str, kind: str, letter: str, count: int, call: Callable[[int], str]) -> str:
    variables = ", ".join(f"${letter}{n}: {kind}" for n in range(count))
    return f"{head}({variables}) {{ {' '.join(f'{letter}{n}: {call(n)}' for n in range(count))} }}"


def set_many(shape: Shape, count: int) -> str:
    """`count` creates or updates in one document, executed in order, answered under `m0`, `m1`, …"""
    variables = ", ".join(f"$i{n}: {shape.type}SetIdentifiers!, $m{n}: {shape.type}SetInput!" for n in range(count))
    extra = ", synchronous: true" if shape.setter == "productSet" else ""
    single = shape.type.lower()
    body = " ".join(
        f"m{n}: {shape.setter}(identifier: $i{n}, input: $m{n}{extra}) {{ {single} {{ {shape.selection()} }} "
        "userErrors { field message code } }"
        for n in range(count)
    )
    return f"mutation SetMany({variables}) {{ {body} }}"


def delete_many(shape: Shape, count: int) -> str:
    """`count` deletes in one document, answered under `d0`, `d1`, …"""
    return _aliased(
        "mutation DeleteMany",
        f"{shape.type}DeleteInput!",
        "d",
        count,
        lambda n: f"{shape.deleter}(input: $d{n}) {{ {shape.deleted_id} userErrors {{ field message }} }}",
    )


def metafields_many(sets: Sequence[int], deletes: Sequence[int]) -> str:
    """Metafields set and deleted per object, each object's apart so that one refusal touches no other: `s3`, `x3`, …"""
    variables = [f"$s{n}: [MetafieldsSetInput!]!" for n in sets]
    variables += [f"$x{n}: [MetafieldIdentifierInput!]!" for n in deletes]
    errors = "userErrors { field message"
    calls = [
        f"s{n}: metafieldsSet(metafields: $s{n}) {{ metafields {{ {_METAFIELD} }} {errors} code }} }}" for n in sets
    ]
    calls += [f"x{n}: metafieldsDelete(metafields: $x{n}) {{ {errors} }} }}" for n in deletes]
    return f"mutation Metafields({', '.join(variables)}) {{ {' '.join(calls)} }}"


def every_document() -> Sequence[tuple[str, str]]:
    """All documents by name, for the tests that check them against a schema."""
    shapes = [*SHAPES.items(), ("refunds", REFUND)]
    many = [
        (f"{name} more {connection}", more_of(shape, connection))
        for name, shape in shapes
        for connection in shape.nested
    ]
    for name, shape in shapes:
        many.append((f"{name} by ids", by_ids(shape)))
        if shape.root:
            many.append((f"{name} page", page(shape)))
            many += [(f"{name} counted page", page(shape, counted=True)), (f"{name} in bulk", bulk_of(shape))]
        if shape.by_identifier:
            many.append((f"{name} by custom id", by_custom_ids(shape, 2)))
        if shape.setter:
            many += [(f"{name} set", set_many(shape, 2)), (f"{name} delete", delete_many(shape, 2))]
    many.append(("metafields", metafields_many([0, 1], [1])))
    fixed = {
        "run bulk": RUN_BULK,
        "bulk state": BULK_STATE,
        "check": CHECK,
        "key definition": KEY_DEFINITION,
        "define key": DEFINE_KEY,
        "definitions": DEFINITIONS,
        "type": TYPE,
    }
    return [*many, *fixed.items()]
