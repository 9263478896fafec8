"""The part of Shopify's Admin schema (2026-10) that the simulator serves, in its own words.

A test holds it against the full schema: every type, field, argument and value named here is there, with the same type.
"""

from __future__ import annotations

COUNTRIES = """
AC AD AE AF AG AI AL AM AN AO AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD GE
GF GG GH GI GL GM GN GP GQ GR GS GT GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM
KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ
SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG
VN VU WF WS XK YE YT ZA ZM ZW ZZ
"""
CURRENCIES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD
IRR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
SHP SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF
XPF YER ZAR ZMW
"""

SORTS = {
    "Customer": "CREATED_AT ID LOCATION NAME RELEVANCE UPDATED_AT",
    "Order": "CREATED_AT ID ORDER_NUMBER PROCESSED_AT RELEVANCE TOTAL_PRICE UPDATED_AT",
    "Product": "CREATED_AT ID INVENTORY_TOTAL PRODUCT_TYPE PUBLISHED_AT RELEVANCE TITLE UPDATED_AT VENDOR",
}

_SCALARS = "scalar DateTime scalar Decimal scalar HTML scalar JSON scalar Money scalar URL scalar UnsignedInt64"
_PAGED = "after: String, before: String, first: Int, last: Int"
_BACK = f"{_PAGED}, reverse: Boolean = false"


def _connections(*names: str) -> str:
    return "\n".join(
        f"type {name}Connection {{ edges: [{name}Edge!]! nodes: [{name}!]! pageInfo: PageInfo! }} "
        f"type {name}Edge {{ cursor: String! node: {name}! }}"
        for name in names
    )


_ENUMS = f"""
enum CountryCode {{ {COUNTRIES} }}
enum CurrencyCode {{ {CURRENCIES} }}
enum CustomerState {{ DECLINED DISABLED ENABLED INVITED }}
enum CustomerEmailAddressMarketingState {{ INVALID NOT_SUBSCRIBED PENDING SUBSCRIBED UNSUBSCRIBED }}
enum CustomerMarketingConsentState {{ NEVER_SUBSCRIBED PENDING REDACTED SUBSCRIBED UNSUBSCRIBED }}
enum CustomerMarketingOptInLevel {{ CONFIRMED_OPT_IN SINGLE_OPT_IN UNKNOWN }}
enum CustomerSetUserErrorCode {{
  BLANK ID_NOT_ALLOWED INCLUSION INPUT_MISMATCH INVALID METAFIELD_MISMATCH MISSING_FIELD_REQUIRED NOT_FOUND PRESENT
  TAKEN TOO_LONG TOO_SHORT
}}
enum MarketingTactic {{
  ABANDONED_CART AD AFFILIATE LINK LOYALTY MESSAGE NEWSLETTER NOTIFICATION POST RETARGETING SEO STOREFRONT_APP
  TRANSACTIONAL
}}
enum MetafieldOwnerType {{ CUSTOMER ORDER PRODUCT PRODUCTVARIANT SHOP COMPANY }}
enum MetafieldsSetUserErrorCode {{
  APP_NOT_AUTHORIZED BLANK CAPABILITY_VIOLATION INCLUSION INTERNAL_ERROR INVALID INVALID_COMPARE_DIGEST INVALID_TYPE
  INVALID_VALUE PRESENT STALE_OBJECT TAKEN TOO_LONG TOO_SHORT
}}
enum OrderCancelReason {{ CUSTOMER DECLINED FRAUD INVENTORY OTHER STAFF }}
enum OrderDisplayFinancialStatus {{
  AUTHORIZED EXPIRED PAID PARTIALLY_PAID PARTIALLY_REFUNDED PENDING REFUNDED VOIDED
}}
enum OrderDisplayFulfillmentStatus {{
  FULFILLED FULFILLMENT_NOT_REQUIRED IN_PROGRESS ON_HOLD OPEN PARTIALLY_FULFILLED PENDING_FULFILLMENT REQUEST_DECLINED
  RESTOCKED SCHEDULED UNFULFILLED
}}
enum ProductSetUserErrorCode {{
  DUPLICATED_VALUE GENERIC_ERROR HANDLE_NOT_UNIQUE ID_NOT_ALLOWED INPUT_MISMATCH INVALID_INPUT INVALID_METAFIELD
  INVALID_PRODUCT INVALID_VARIANT METAFIELD_MISMATCH MISSING_FIELD_REQUIRED NOT_FOUND OPTION_VALUES_MISSING
  PRODUCT_DOES_NOT_EXIST PRODUCT_OPTIONS_INPUT_MISSING VARIANTS_INPUT_MISSING
}}
enum ProductStatus {{ ACTIVE ARCHIVED DRAFT UNLISTED }}
enum BulkOperationStatus {{ CANCELED CANCELING COMPLETED CREATED EXPIRED FAILED RUNNING }}
enum BulkOperationErrorCode {{ ACCESS_DENIED INTERNAL_SERVER_ERROR TIMEOUT }}
enum BulkOperationType {{ MUTATION QUERY }}
enum BulkOperationUserErrorCode {{ INVALID LIMIT_REACHED OPERATION_IN_PROGRESS }}
enum CountPrecision {{ AT_LEAST EXACT }}
enum RefundLineItemRestockType {{ CANCEL LEGACY_RESTOCK NO_RESTOCK RETURN }}
"""

_COMMON = """
interface Node { id: ID! }
interface DisplayableError { field: [String!] message: String! }
type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }
type MoneyV2 { amount: Decimal! currencyCode: CurrencyCode! }
type MoneyBag { presentmentMoney: MoneyV2! shopMoney: MoneyV2! }
type UserError implements DisplayableError { field: [String!] message: String! }
type Metafield implements Node {
  compareDigest: String! createdAt: DateTime! id: ID! jsonValue: JSON! key: String! namespace: String! type: String!
  updatedAt: DateTime! value: String!
}
type MetafieldDefinition implements Node {
  capabilities: MetafieldCapabilities! description: String id: ID! key: String! name: String! namespace: String!
  ownerType: MetafieldOwnerType! type: MetafieldDefinitionType! validations: [MetafieldDefinitionValidation!]!
}
type MetafieldDefinitionType { category: String! name: String! }
type MetafieldDefinitionValidation { name: String! type: String! value: String }
type MetafieldCapabilities { uniqueValues: MetafieldCapabilityUniqueValues! }
type MetafieldCapabilityUniqueValues { eligible: Boolean! enabled: Boolean! }
type MetafieldIdentifier { key: String! namespace: String! ownerId: ID! }
type Shop { currencyCode: CurrencyCode! email: String! id: ID! myshopifyDomain: String! name: String! plan: ShopPlan! }
type ShopPlan { displayName: String! partnerDevelopment: Boolean! publicDisplayName: String! shopifyPlus: Boolean! }
type AppInstallation implements Node { accessScopes: [AccessScope!]! id: ID! }
type AccessScope { description: String! handle: String! }
"""

_BULK = """
type Count { count: Int! precision: CountPrecision! }
type BulkOperation implements Node {
  completedAt: DateTime createdAt: DateTime! errorCode: BulkOperationErrorCode fileSize: UnsignedInt64 id: ID!
  objectCount: UnsignedInt64! partialDataUrl: URL query: String! rootObjectCount: UnsignedInt64!
  status: BulkOperationStatus! type: BulkOperationType! url: URL
}
type BulkOperationUserError implements DisplayableError {
  code: BulkOperationUserErrorCode field: [String!] message: String!
}
type BulkOperationRunQueryPayload { bulkOperation: BulkOperation userErrors: [BulkOperationUserError!]! }
"""

_CUSTOMER = f"""
type MailingAddress implements Node {{
  address1: String address2: String city: String company: String country: String countryCodeV2: CountryCode
  firstName: String id: ID! lastName: String name: String phone: String province: String provinceCode: String
  zip: String
}}
type CustomerEmailAddress {{
  emailAddress: String! marketingOptInLevel: CustomerMarketingOptInLevel
  marketingState: CustomerEmailAddressMarketingState! marketingUpdatedAt: DateTime validFormat: Boolean!
}}
type CustomerPhoneNumber {{ phoneNumber: String! smsMarketingConsent: CustomerSmsMarketingConsent! }}
type CustomerSmsMarketingConsent {{
  optInLevel: CustomerMarketingOptInLevel state: CustomerMarketingConsentState! updatedAt: DateTime
}}
type Customer implements Node {{
  addressesV2({_BACK}): MailingAddressConnection!
  amountSpent: MoneyV2! createdAt: DateTime! defaultAddress: MailingAddress defaultEmailAddress: CustomerEmailAddress
  defaultPhoneNumber: CustomerPhoneNumber displayName: String! firstName: String id: ID! lastName: String
  legacyResourceId: UnsignedInt64! locale: String! metafield(key: String!, namespace: String): Metafield
  metafields({_PAGED}, keys: [String!], namespace: String, reverse: Boolean = false): MetafieldConnection!
  note: String numberOfOrders: UnsignedInt64! state: CustomerState! tags: [String!]! taxExempt: Boolean!
  updatedAt: DateTime! verifiedEmail: Boolean!
}}
input MailingAddressInput {{
  address1: String address2: String city: String company: String countryCode: CountryCode firstName: String
  lastName: String phone: String provinceCode: String zip: String
}}
input CustomerSetInput {{
  addresses: [MailingAddressInput!] email: String firstName: String lastName: String locale: String note: String
  phone: String tags: [String!] taxExempt: Boolean
}}
input UniqueMetafieldValueInput {{ key: String! namespace: String value: String! }}
input CustomerSetIdentifiers @oneOf {{ customId: UniqueMetafieldValueInput email: String id: ID phone: String }}
input CustomerIdentifierInput @oneOf {{
  customId: UniqueMetafieldValueInput emailAddress: String id: ID phoneNumber: String
}}
input CustomerDeleteInput {{ id: ID! }}
type CustomerSetUserError implements DisplayableError {{
  code: CustomerSetUserErrorCode field: [String!] message: String!
}}
type CustomerSetPayload {{ customer: Customer userErrors: [CustomerSetUserError!]! }}
type CustomerDeletePayload {{ deletedCustomerId: ID userErrors: [UserError!]! }}
"""

_PRODUCT = f"""
type TaxonomyCategory implements Node {{ fullName: String! id: ID! name: String! }}
type ProductPriceRangeV2 {{ maxVariantPrice: MoneyV2! minVariantPrice: MoneyV2! }}
type SEO {{ description: String title: String }}
type SelectedOption {{ name: String! value: String! }}
type ProductOption implements Node {{ id: ID! name: String! position: Int! values: [String!]! }}
type ProductVariant implements Node {{
  barcode: String compareAtPrice: Money createdAt: DateTime! id: ID! inventoryQuantity: Int
  legacyResourceId: UnsignedInt64! position: Int! price: Money! selectedOptions: [SelectedOption!]! sku: String
  taxable: Boolean! title: String! updatedAt: DateTime!
}}
type Product implements Node {{
  category: TaxonomyCategory createdAt: DateTime! description(truncateAt: Int): String! descriptionHtml: HTML!
  handle: String! id: ID! isGiftCard: Boolean! legacyResourceId: UnsignedInt64!
  metafield(key: String!, namespace: String): Metafield
  metafields({_PAGED}, keys: [String!], namespace: String, reverse: Boolean = false): MetafieldConnection!
  options(first: Int): [ProductOption!]! priceRangeV2: ProductPriceRangeV2! productType: String!
  publishedAt: DateTime seo: SEO! status: ProductStatus!
  tags: [String!]! title: String! totalInventory: Int! updatedAt: DateTime!
  variants({_PAGED}, reverse: Boolean = false, sortKey: ProductVariantSortKeys = POSITION): ProductVariantConnection!
  vendor: String!
}}
enum ProductVariantSortKeys {{ ID POSITION SKU TITLE }}
input SEOInput {{ description: String title: String }}
input OptionValueSetInput {{ id: ID name: String }}
input OptionSetInput {{ id: ID name: String position: Int values: [OptionValueSetInput!] }}
input VariantOptionValueInput {{ id: ID name: String optionId: ID optionName: String }}
input ProductVariantSetInput {{
  barcode: String compareAtPrice: Money id: ID optionValues: [VariantOptionValueInput!]! position: Int price: Money
  sku: String taxable: Boolean
}}
input ProductSetInput {{
  descriptionHtml: String handle: String metafields: [MetafieldInput!] productOptions: [OptionSetInput!]
  productType: String seo: SEOInput status: ProductStatus tags: [String!] title: String
  variants: [ProductVariantSetInput!] vendor: String
}}
input MetafieldInput {{ id: ID key: String namespace: String type: String value: String }}
input ProductSetIdentifiers @oneOf {{ customId: UniqueMetafieldValueInput handle: String id: ID }}
input ProductIdentifierInput @oneOf {{ customId: UniqueMetafieldValueInput handle: String id: ID }}
input ProductDeleteInput {{ id: ID! }}
type ProductSetUserError implements DisplayableError {{
  code: ProductSetUserErrorCode field: [String!] message: String!
}}
type ProductSetPayload {{ product: Product userErrors: [ProductSetUserError!]! }}
type ProductDeletePayload {{ deletedProductId: ID userErrors: [UserError!]! }}
"""

_ORDER = f"""
type UTMParameters {{ campaign: String content: String medium: String source: String term: String }}
type CustomerVisit implements Node {{
  id: ID! landingPage: URL occurredAt: DateTime! referrerUrl: URL source: String! sourceType: MarketingTactic
  utmParameters: UTMParameters
}}
type CustomerJourneySummary {{ firstVisit: CustomerVisit lastVisit: CustomerVisit ready: Boolean! }}
type LineItem implements Node {{
  currentQuantity: Int! discountedTotalSet(withCodeDiscounts: Boolean = false): MoneyBag! id: ID! isGiftCard: Boolean!
  name: String! originalTotalSet: MoneyBag! originalUnitPriceSet: MoneyBag! product: Product quantity: Int!
  requiresShipping: Boolean! sku: String taxable: Boolean! title: String! totalDiscountSet: MoneyBag!
  variant: ProductVariant variantTitle: String vendor: String
}}
type RefundLineItem {{
  id: ID lineItem: LineItem! quantity: Int! restockType: RefundLineItemRestockType! subtotalSet: MoneyBag!
  totalTaxSet: MoneyBag!
}}
type Refund implements Node {{
  createdAt: DateTime id: ID! legacyResourceId: UnsignedInt64! note: String
  refundLineItems({_BACK}): RefundLineItemConnection! totalRefundedSet: MoneyBag!
}}
type Order implements Node {{
  billingAddress: MailingAddress cancelReason: OrderCancelReason cancelledAt: DateTime closedAt: DateTime
  confirmed: Boolean! createdAt: DateTime! currencyCode: CurrencyCode! currentTotalPriceSet: MoneyBag!
  customer: Customer
  customerJourneySummary: CustomerJourneySummary customerLocale: String discountCodes: [String!]!
  displayFinancialStatus: OrderDisplayFinancialStatus displayFulfillmentStatus: OrderDisplayFulfillmentStatus!
  email: String id: ID! legacyResourceId: UnsignedInt64! lineItems({_BACK}): LineItemConnection!
  metafield(key: String!, namespace: String): Metafield
  metafields({_PAGED}, keys: [String!], namespace: String, reverse: Boolean = false): MetafieldConnection!
  name: String! note: String phone: String poNumber: String presentmentCurrencyCode: CurrencyCode!
  processedAt: DateTime!
  refunds(first: Int): [Refund!]! shippingAddress: MailingAddress sourceIdentifier: String sourceName: String
  subtotalPriceSet: MoneyBag tags: [String!]! taxesIncluded: Boolean! test: Boolean! totalDiscountsSet: MoneyBag
  totalPriceSet: MoneyBag! totalRefundedSet: MoneyBag! totalShippingPriceSet: MoneyBag! totalTaxSet: MoneyBag
  updatedAt: DateTime!
}}
"""

_ROOTS = f"""
schema {{ query: QueryRoot mutation: Mutation }}
type QueryRoot {{
  bulkOperation(id: ID!): BulkOperation
  currentAppInstallation: AppInstallation!
  customer(id: ID!): Customer
  customerByIdentifier(identifier: CustomerIdentifierInput!): Customer
  customers({_PAGED}, query: String, reverse: Boolean = false, sortKey: CustomerSortKeys = ID): CustomerConnection!
  customersCount(limit: Int = 10000, query: String): Count
  metafieldDefinitions(
    {_PAGED}, key: String, namespace: String, ownerType: MetafieldOwnerType!, query: String, reverse: Boolean = false
  ): MetafieldDefinitionConnection!
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  order(id: ID!): Order
  orders({_PAGED}, query: String, reverse: Boolean = false, sortKey: OrderSortKeys = PROCESSED_AT): OrderConnection!
  ordersCount(limit: Int = 10000, query: String): Count
  product(id: ID!): Product
  productByIdentifier(identifier: ProductIdentifierInput!): Product
  products({_PAGED}, query: String, reverse: Boolean = false, sortKey: ProductSortKeys = ID): ProductConnection!
  productsCount(limit: Int = 10000, query: String): Count
  shop: Shop!
}}
input MetafieldsSetInput {{
  compareDigest: String key: String! namespace: String ownerId: ID! type: String value: String!
}}
input MetafieldIdentifierInput {{ key: String! namespace: String! ownerId: ID! }}
type MetafieldsSetUserError implements DisplayableError {{
  code: MetafieldsSetUserErrorCode elementIndex: Int field: [String!] message: String!
}}
input MetafieldCapabilityUniqueValuesInput {{ enabled: Boolean! }}
input MetafieldCapabilityCreateInput {{ uniqueValues: MetafieldCapabilityUniqueValuesInput }}
input MetafieldDefinitionInput {{
  capabilities: MetafieldCapabilityCreateInput description: String key: String! name: String! namespace: String
  ownerType: MetafieldOwnerType! type: String!
}}
enum MetafieldDefinitionCreateUserErrorCode {{ INVALID INVALID_CAPABILITY TAKEN }}
type MetafieldDefinitionCreateUserError implements DisplayableError {{
  code: MetafieldDefinitionCreateUserErrorCode field: [String!] message: String!
}}
type MetafieldDefinitionCreatePayload {{
  createdDefinition: MetafieldDefinition userErrors: [MetafieldDefinitionCreateUserError!]!
}}
type MetafieldsSetPayload {{ metafields: [Metafield!] userErrors: [MetafieldsSetUserError!]! }}
type MetafieldsDeletePayload {{ deletedMetafields: [MetafieldIdentifier] userErrors: [UserError!]! }}
type Mutation {{
  bulkOperationRunQuery(groupObjects: Boolean! = false, query: String!): BulkOperationRunQueryPayload
  customerDelete(input: CustomerDeleteInput!): CustomerDeletePayload
  customerSet(identifier: CustomerSetIdentifiers, input: CustomerSetInput!): CustomerSetPayload
  metafieldDefinitionCreate(definition: MetafieldDefinitionInput!): MetafieldDefinitionCreatePayload
  metafieldsDelete(metafields: [MetafieldIdentifierInput!]!): MetafieldsDeletePayload
  metafieldsSet(metafields: [MetafieldsSetInput!]!): MetafieldsSetPayload
  productDelete(input: ProductDeleteInput!, synchronous: Boolean = true): ProductDeletePayload
  productSet(identifier: ProductSetIdentifiers, input: ProductSetInput!, synchronous: Boolean = true): ProductSetPayload
}}
"""

SDL = "\n".join(
    [
        _SCALARS,
        _ENUMS,
        *(f"enum {name}SortKeys {{ {values} }}" for name, values in SORTS.items()),
        _COMMON,
        _BULK,
        _connections("Customer", "Order", "Product", "ProductVariant", "MailingAddress", "Metafield"),
        _connections("MetafieldDefinition", "LineItem", "RefundLineItem"),
        _CUSTOMER,
        _PRODUCT,
        _ORDER,
        _ROOTS,
    ]
)
