"""The GraphQL texts about companies, each a subset of the official 2026-07 schema.

One reading holds ten contacts and twenty locations, and stays below 1000 points; who has more is read in several.
"""

from __future__ import annotations

from syncline.connectors.shopify.documents import Document

ASSIGNMENTS_FIRST = 20  # of one contact: one role at each location
_PAGE = "pageInfo { hasNextPage endCursor }"
_ADDRESS = "{ recipient address1 address2 city zoneCode zip countryCode }"
_CONTACT = f"""{{
  id title
  customer {{
    id firstName lastName defaultEmailAddress {{ emailAddress }} defaultPhoneNumber {{ phoneNumber }}
  }}
  roleAssignments(first: {ASSIGNMENTS_FIRST}) {{ nodes {{ id role {{ id name }} companyLocation {{ id }} }} {_PAGE} }}
}}"""
_LOCATION = f"""{{
  id name externalId phone
  shippingAddress {_ADDRESS}
  billingAddress {_ADDRESS}
  taxSettings {{ taxRegistrationId }}
  buyerExperienceConfiguration {{ paymentTermsTemplate {{ id }} }}
}}"""
_ERRORS = "userErrors { code field message }"

READ = Document(
    "Company",
    f"""query Company($id: ID!, $contacts: String, $locations: String) {{
  company(id: $id) {{
    id name externalId
    contactRoles(first: 10) {{ nodes {{ id name }} }}
    contacts(first: 10, after: $contacts) {{ nodes {_CONTACT} {_PAGE} }}
    locations(first: 20, after: $locations) {{ nodes {_LOCATION} {_PAGE} }}
  }}
}}""",
)
FIND = Document(
    "FindCompanies",
    "query FindCompanies($query: String!) { companies(first: 5, query: $query) { nodes { id externalId } } }",
)
TAX_IDS = Document(
    "CompanyTaxIds",
    f"""query CompanyTaxIds($after: String) {{
  companies(first: 50, after: $after) {{
    nodes {{ id externalId locations(first: 5) {{ nodes {{ taxSettings {{ taxRegistrationId }} }} }} }} {_PAGE}
  }}
}}""",
)


def _mutation(name: str, variables: str, field: str, returns: str) -> Document:
    text = f"mutation {name}({variables}) {{ m: {field} {{ made: {returns} {_ERRORS} }} }}"
    return Document(name, text, writes=True)


CREATE = _mutation(
    "CompanyCreate", "$input: CompanyCreateInput!", "companyCreate(input: $input)", "company { id }"
)
UPDATE = _mutation(
    "CompanyUpdate",
    "$id: ID!, $input: CompanyInput!",
    "companyUpdate(companyId: $id, input: $input)",
    "company { id }",
)
ADD_LOCATION = _mutation(
    "LocationCreate",
    "$id: ID!, $input: CompanyLocationInput!",
    "companyLocationCreate(companyId: $id, input: $input)",
    "companyLocation { id }",
)
SET_LOCATION = _mutation(
    "LocationUpdate",
    "$id: ID!, $input: CompanyLocationUpdateInput!",
    "companyLocationUpdate(companyLocationId: $id, input: $input)",
    "companyLocation { id }",
)
SET_ADDRESS = Document(
    "LocationAddress",
    "mutation LocationAddress($id: ID!, $address: CompanyAddressInput!, $types: [CompanyAddressType!]!) { "
    f"m: companyLocationAssignAddress(locationId: $id, address: $address, addressTypes: $types) {{ {_ERRORS} }} }}",
    writes=True,
)
SET_TAX_ID = _mutation(
    "LocationTax",
    "$id: ID!, $tax: String",
    "companyLocationTaxSettingsUpdate(companyLocationId: $id, taxRegistrationId: $tax)",
    "companyLocation { id }",
)
ADD_CONTACT = _mutation(
    "ContactCreate",
    "$id: ID!, $input: CompanyContactInput!",
    "companyContactCreate(companyId: $id, input: $input)",
    "companyContact { id customer { id } }",
)
SET_CONTACT = _mutation(
    "ContactUpdate",
    "$id: ID!, $input: CompanyContactInput!",
    "companyContactUpdate(companyContactId: $id, input: $input)",
    "companyContact { id customer { id } }",
)
GIVE_ROLE = _mutation(
    "GiveRole",
    "$id: ID!, $role: ID!, $location: ID!",
    "companyContactAssignRole(companyContactId: $id, companyContactRoleId: $role, companyLocationId: $location)",
    "companyContactRoleAssignment { id }",
)
TAKE_ROLE = Document(
    "TakeRole",
    "mutation TakeRole($id: ID!, $assignment: ID!) { m: companyContactRevokeRole(companyContactId: $id, "
    f"companyContactRoleAssignmentId: $assignment) {{ {_ERRORS} }} }}",
    writes=True,
)
