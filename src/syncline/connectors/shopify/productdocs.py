"""The GraphQL texts of products, translations, publications and bulk operations; see `documents`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from syncline.connectors.shopify.documents import Document, quoted

READS_MAX = 5  # products in one reading: with their variants each costs some 170 points by our bound
WRITES_MAX = 25  # mutations in one request
VARIANTS_FIRST = 40
VARIANTS_PAGE = 200
SEARCHED_MAX = 10  # SKUs of a product that are looked for
NAMESPACE = "syncline"  # of the metafield that remembers which images were added
IMAGES_KEY = "images"

_PAGE = "pageInfo { hasNextPage endCursor }"
_NODE = """{
  id sku barcode displayName updatedAt price product { id productType } inventoryItem { id }
  selectedOptions { name value }
}"""
FIELDS = f"""
  id status descriptionHtml productType title updatedAt
  variants(first: {VARIANTS_FIRST}) {{ nodes {_NODE} {_PAGE} }}
  metafield(namespace: "{NAMESPACE}", key: "{IMAGES_KEY}") {{ value }} mediaCount {{ count }}
"""
_PRODUCT = f"fragment ProductRead on Product {{ {FIELDS} }}"
BY_ID, BY_HANDLE = "id", "handle"


@lru_cache(maxsize=64)
def read_products(ways: tuple[str, ...]) -> Document:
    """Several products: by id (``i0``), or by handle and SKUs (``h0``, ``q0``) where the id is not known."""
    variables, fields = [], []
    for n, way in enumerate(ways):
        if way == BY_ID:
            variables.append(f"$i{n}: ID!")
            fields.append(f"p{n}: product(id: $i{n}) {{ ...ProductRead }}")
        else:
            variables.append(f"$h{n}: String!, $q{n}: String!")
            fields.append(
                f"p{n}: productByIdentifier(identifier: {{handle: $h{n}}}) {{ ...ProductRead }} "
                f"s{n}: productVariants(first: {SEARCHED_MAX}, query: $q{n}) {{ nodes {{ id sku product {{ id }} }} }}"
            )
    text = f"query ReadProducts({', '.join(variables)}) {{ {' '.join(fields)} shop {{ currencyCode }} }}\n{_PRODUCT}"
    return Document("ReadProducts", text)


MORE_VARIANTS = Document(
    "MoreVariants",
    f"""query MoreVariants($id: ID!, $after: String) {{
  product(id: $id) {{ variants(first: {VARIANTS_PAGE}, after: $after) {{ nodes {_NODE} {_PAGE} }} }}
}}""",
)

SET, UPDATE, ADD, CHANGE = "set", "update", "add", "change"
_CODED = "{ userErrors { code field message } }"
_PLAIN = "{ userErrors { field message } }"
_MUTATIONS = {
    SET: (
        "$x{n}: ProductSetIdentifiers!, $y{n}: ProductSetInput!",
        f"m{{n}}: productSet(identifier: $x{{n}}, input: $y{{n}}) {_CODED}",
    ),
    UPDATE: (
        "$x{n}: ProductUpdateInput!, $y{n}: [CreateMediaInput!]",
        f"m{{n}}: productUpdate(product: $x{{n}}, media: $y{{n}}) {_PLAIN}",
    ),
    ADD: (
        "$x{n}: ID!, $y{n}: [ProductVariantsBulkInput!]!",
        "m{n}: productVariantsBulkCreate(productId: $x{n}, variants: $y{n}, strategy: PRESERVE_STANDALONE_VARIANT) "
        + _CODED,
    ),
    CHANGE: (
        "$x{n}: ID!, $y{n}: [ProductVariantsBulkInput!]!",
        f"m{{n}}: productVariantsBulkUpdate(productId: $x{{n}}, variants: $y{{n}}) {_CODED}",
    ),
}


def _filled(text: str, n: int) -> str:
    return text.replace("{n}", str(n))


@lru_cache(maxsize=256)
def write_products(kinds: tuple[str, ...]) -> Document:
    """Several mutations, made one after the other: variables ``x0``/``y0`` ... by kind."""
    variables = ", ".join(_filled(_MUTATIONS[kind][0], n) for n, kind in enumerate(kinds))
    fields = " ".join(_filled(_MUTATIONS[kind][1], n) for n, kind in enumerate(kinds))
    return Document("WriteProducts", f"mutation WriteProducts({variables}) {{ {fields} }}", writes=True)


def bulk_mutation(kind: str, name: str) -> str:
    """What a bulk operation makes of each line; by its name it is found again."""
    if kind == SET:
        return (
            f"mutation {name}($x: ProductSetIdentifiers!, $y: ProductSetInput!) "
            "{ productSet(identifier: $x, input: $y) { product { id } userErrors { code field message } } }"
        )
    return (
        f"mutation {name}($x: ProductUpdateInput!, $y: [CreateMediaInput!]) "
        "{ productUpdate(product: $x, media: $y) { product { id } userErrors { field message } } }"
    )


STAGE = Document(
    "Stage",
    """mutation Stage($input: [StagedUploadInput!]!) {
  stagedUploadsCreate(input: $input) {
    stagedTargets { url parameters { name value } }
    userErrors { field message }
  }
}""",
    writes=True,
)
_OPERATION = "{ id status errorCode url query }"
RUN_BULK = Document(
    "RunBulk",
    f"""mutation RunBulk($mutation: String!, $path: String!, $client: String) {{
  bulkOperationRunMutation(mutation: $mutation, stagedUploadPath: $path, clientIdentifier: $client) {{
    bulkOperation {_OPERATION}
    userErrors {{ code field message }}
  }}
}}""",
    writes=True,
)
BULK = Document("Bulk", f"query Bulk($id: ID!) {{ bulkOperation(id: $id) {_OPERATION} }}")
BULKS = Document(
    "Bulks",
    f"""query Bulks($query: String!, $after: String) {{
  bulkOperations(first: 50, after: $after, query: $query) {{ nodes {_OPERATION} {_PAGE} }}
}}""",
)

TRANSLATABLE = Document(
    "Translatable",
    """query Translatable($id: ID!) {
  translatableResource(resourceId: $id) { translatableContent { key digest } }
}""",
)
TRANSLATE = Document(
    "Translate",
    """mutation Translate($id: ID!, $translations: [TranslationInput!]!) {
  translationsRegister(resourceId: $id, translations: $translations) { userErrors { code field message } }
}""",
    writes=True,
)
UNTRANSLATE = Document(
    "Untranslate",
    """mutation Untranslate($id: ID!, $keys: [String!]!, $locales: [String!]!) {
  translationsRemove(resourceId: $id, translationKeys: $keys, locales: $locales) { userErrors { code field message } }
}""",
    writes=True,
)


@lru_cache(maxsize=64)
def publish(shown: tuple[bool, ...]) -> Document:
    """Products into publications or out of them: variables ``p0``/``i0`` ... are products and publications."""
    variables = ", ".join(f"$p{n}: ID!, $i{n}: [PublicationInput!]!" for n in range(len(shown)))
    fields = " ".join(
        f"m{n}: {'publishablePublish' if one else 'publishableUnpublish'}(id: $p{n}, input: $i{n}) {_PLAIN}"
        for n, one in enumerate(shown)
    )
    return Document("Publish", f"mutation Publish({variables}) {{ {fields} }}", writes=True)


def any_of(skus: Sequence[str]) -> str:
    """A search for variants by SKU."""
    return " OR ".join(f"sku:{quoted(sku)}" for sku in skus[:SEARCHED_MAX])
