"""What each setting of Syncline itself means, by section and key."""

from __future__ import annotations

_CREDIT_POLICY = {
    "max_age": "Figures that the source has not confirmed for so long are old. Default `15m`.",
    "old": "What is decided by old figures: `approve` (as if they were new), `hold`, `deny`. Default `hold`.",
    "missing": "What is decided of an account that the source tells nothing of. Default `hold`.",
    "without_limit": "What is decided of an account without a limit. Default `hold`.",
    "over_limit": "What is decided of an amount that the credit does not cover: `deny` or `hold`. Default `deny`.",
    "on_hold": "What is decided of an account that the source has on hold. Default `deny`.",
    "past_due": "What is decided of an account that is overdue for longer than `max_days_past_due`. Default `hold`.",
    "max_days_past_due": "Days after the due date of the oldest open invoice from which on that is so. Empty: never.",
}

MEANING: dict[str, dict[str, str]] = {
    "alerts": {
        "repeat": "How long after the first message an alert that lasts is told again. Each further pause is twice as long.",
        "repeat_max": "The longest of those pauses.",
        "parked_after": "From which age on parked work is critical.",
        "expires": "System = the day on which its credential ends, such as `{ erp = 2027-05-31 }`, where neither it nor the system's "
        "settings tell.",
        "expires_within": "How long before its end a credential is told of.",
        "log": "Every message is a line of the log, too.",
        "email": "See [alerts.email].",
        "webhook": "See [alerts.webhook].",
    },
    "email": {
        "host": "The SMTP server.",
        "port": "Its port: 587 for `starttls`, 465 for `tls`.",
        "security": "`none` only for a relay that wants no password.",
        "user": "Name to log in with; empty: no login.",
        "password": "Its password, as `env:NAME` or `file:PATH`.",
        "from": "The sender's address.",
        "to": "Who is told.",
    },
    "alert_webhook": {
        "url": "Where messages are POSTed; `https`, or `http` on this machine.",
        "secret": "Signs each message: at least 24 bytes chosen by chance, or `whsec_` and base64. As `env:NAME` or `file:PATH`.",
    },
    "store": {
        "path": "The SQLite file, beside the configuration. Local disks only; its folder is made if it is missing.",
        "url": "`postgresql://…` uses PostgreSQL instead of the file. Give it as `env:NAME`: it holds a password.",
    },
    "server": {
        "host": "Address that dashboard, API and webhooks listen on.",
        "port": "Their port; 0 takes any free one.",
        "public_url": "How vendors and browsers reach Syncline, for example `https://sync.example.com`. Empty: no webhook "
        "is subscribed and every flow is polled. With `https` the session cookie is marked secure.",
        "token_file": "Where the first start writes the admin's token, readable by its owner only.",
        "secret": "Signs sessions and webhook addresses. Empty: made at the first start, beside the token file. "
        "Changing it changes the webhook addresses.",
        "trusted_proxies": "Addresses of reverse proxies whose `X-Forwarded-For` is believed. Empty: nobody's.",
        "metrics_token": "A token of at least 24 characters that may read `/metrics` and nothing else. Empty: metrics need "
        "a login.",
    },
    "routes": {
        "flow": "`inventory`, `orders`, `order_status`, `prices`, `catalog`, `customers`, `credit`, `payments` or `returns`; what a channel "
        "tells of an order's payments and refunds travels with `orders`.",
        "from": "Name of the system that owns the data.",
        "to": "Name of the system that shows or receives it.",
        "tolerance": "How old the data may become: `250ms`, `5s`, `4m`, `1h`, `1d`. Empty: `5s` for inventory, `10s` for "
        "orders, `5m` for credit, `10m` for payments, `1h` for the rest.",
        "poll": "Time between two delta reads of the source, which find a lost event. Empty: `4m`. Prices, products, customers and credit of a source that "
        "tells no changes of them are read whole so often; empty: four times within the tolerance.",
        "reconcile": "Time between two full reads of the source. Empty: `1d`.",
        "capture": "`events`: the source's events tell of changes, and reads find those that are lost. `reads`: a change counts as "
        "found when it is read; a source of which every route says so is not asked for events.",
        "locations": "ERP location id = channel location id, most important first. Needed for inventory; a location that "
        "is not mapped is neither read nor written.",
        "rule": "What of the pool this channel may show: the keys of the table under [rules].",
        "sku_rules": "SKU = rule of that SKU on this channel. What it leaves out, a farther level decides.",
        "rounding_tolerance": "How far an order's parts may be from its total, and the ERP's total from the shop's, "
        "before a person is asked.",
        "guard_cut_share": "A full read of stock waits for a person if more than this part of the SKUs that had stock would be "
        "emptied, halved or missing; other changes go on. The same of prices and products that are missing. 1: never ask.",
        "vanished": "What counts of a stock figure that a full read no longer contains: `serve`, what it said last, shown as "
        "unconfirmed; `hold`, nothing until it is told again. The strictest of a system's routes holds for all of them.",
        "leave_out": "What the route does not carry, because it is taken care of otherwise: of orders `payments` and `refunds`, of "
        "order_status `cancellations`. A system that has no call for one of them is refused at the start without.",
        "restock": "For returns, and cancellations by the ERP: whether the channel puts the units on its own shelf. The ERP's figure "
        "follows anyway.",
        "money": "For returns, and cancellations by the ERP: whether what was paid for the units goes back to the buyer.",
        "segments": 'For inventory: a tolerance for each class of velocity, such as `{ high = "5s", low = "1d" }`; what is '
        "not named has the route's. See [velocity].",
        "prices": "For prices: see [routes.prices].",
        "credit": "For credit: see [routes.credit].",
        "catalog": "For the catalog: see [routes.catalog].",
        "customers": "For customers: see [routes.customers].",
        "owner": "For customers: field = the system that owns it, one of the route's two. What is left out belongs to the source. "
        "Fields: `name`, `active`, `tax_id`, `terms`, `group`, `phone`, `contacts`, `addresses`.",
        "when_changed_at_channel": "For prices, products and customers, when a proof finds that somebody changed at the channel what the "
        "source owns: `put_back` writes it again; `report` names it, and leaves it until the source changes it too.",
    },
    "catalog": {
        "fields": "What of a product the source owns: `title`, `description`, `category`, `attributes`, `images`, `status`. The "
        "rest stays as the channel has it.",
        "create": "Whether a product is made that the channel does not have.",
        "languages": "Language of the source = that of the channel.",
        "assortments": "Assortment of the channel, by its id = the source's assortments that it shows; `*` is every product.",
    },
    "customers": {
        "match": "By what a customer is found that the channel had before, in this order: `external_id`, `number`, `tax_id`. "
        "Default: `external_id`.",
        "roles": "Role of the source = what a contact with it may do at the channel; `*` stands for all others, and for none. Who "
        "may do nothing is not written there.",
        "terms": "Terms of payment of the source, by id = those of the channel. Empty: they are not carried.",
        "groups": "Group or price level of the source, by id = the channel's customer group. Empty: they are not carried.",
        "merged": "Customer of the source = the one that it was merged into.",
    },
    "credit": {
        **_CREDIT_POLICY,
        "currency": "Currency of figures for which the source names none, ISO 4217.",
        "expires": "How long an approval lasts without an order, unless the checkout says otherwise; from 10 s to 24 h.",
        "conflict": "Whose an order is in the ERP if its approval is of another account than its buyer's: `park` (nobody's until a "
        "person has looked), `approval` or `buyer`.",
        "mirror": "Whether the channel itself is told what is left. Without it only those are answered who ask.",
        "accounts": "Account, by its key at the source = see [routes.credit.accounts.KEY].",
    },
    "credit_account": _CREDIT_POLICY,
    "prices": {
        "currency": "Currency of the channel's own prices, ISO 4217. A price in another one is never written.",
        "own": "Price lists of the source that the price of the item itself is made from, as its connector calls them.",
        "compare_at": "List of the source whose price is shown struck through, where it is higher.",
        "unit": "Unit of measure, as the source calls it, in which the channel sells. Empty: the item's own.",
        "precedence": "Which kind of price counts before which: `contract`, `promotional`, `group`, `list`, each once. "
        "Empty: `price_order` of the source's [capabilities](connectors.md).",
        "lowest": "Whether the lowest of all prices counts instead. Left out: as the source has it.",
        "kinds": "List of the source = what kind it is, where its connector takes it for another.",
        "max_jump": "By how much a price may differ from what is shown before a person is asked.",
        "volatile": "Lists that the ERP itself is asked about whenever somebody asks for a price.",
        "live_deadline": "How long the ERP may take for that; 30s at most.",
        "without_live": "What is answered without it: `serve`, the last known price; `refuse`, none.",
        "max_age": "A price that the ERP has not confirmed for so long is not told. Empty: however old it is.",
        "lists": "Price list of the channel, by its id = see [routes.prices.lists.ID].",
    },
    "price_lists": {
        "from": "Price lists of the source that it is made from.",
        "currency": "Its currency. Empty: the route's.",
        "compare_at": "List of the source whose price is shown struck through, where it is higher.",
        "unit": "Unit of measure in which it prices. Empty: the route's.",
    },
    "rule": {
        "safety_stock": "Units kept back at each location before anything is pooled. Default 0.",
        "safety_by_location": "ERP location id = units kept back there, instead of `safety_stock`.",
        "buffer": 'Units taken off what is left, such as `3`; or a part of the pool, such as `"10 %"`, rounded up; or '
        '`"auto"`: what other channels may sell before this one is corrected. Default 0.',
        "share": "Part of the pool, from 0 to 1. Channels with a share that draw on the same locations split the pool whole, "
        "a unit that is left over going to the route that stands first. Default 1: all of it.",
        "cap": 'Never show more than this; `"none"` lifts the cap of a farther level.',
        "floor": "Show 0 when the result is below this. Default 0.",
        "excluded": "ERP locations whose goods are not offered; 0 is shown there.",
        "incoming_days": "Count what is expected to arrive within so many days, where the ERP tells. Default 0: only what "
        "is there.",
        "share_deficits": "What one location has promised beyond its stock, so that its figure is negative, is taken off what "
        "the other locations hold. Default false: it counts as nothing there.",
        "backorder": 'Units that may be sold below zero. `"unlimited"` shows the cap whatever there is, and needs one. '
        "Default 0.",
        "unique": "One of a kind: 1 is shown at one location, and 0 everywhere from the first order on; its number may "
        "be at most a second old. Default false.",
        "fence": "`{ units = 12, since = 2026-11-21T08:00:00Z }`: units that only this channel may sell, less what it sold "
        "since. Not in [rules].",
        "velocity": "Class of the SKU whatever it sells: `high`, `medium` or `low`. Left out: as learned from orders.",
    },
    "rules": {
        "groups": "Name = rule with `locations`, a list of ERP location ids. Only `safety_stock` and `incoming_days`.",
        "locations": "ERP location id = rule. Only `safety_stock` and `incoming_days`.",
        "skus": "SKU = rule of that SKU on every channel.",
    },
    "risk": {
        "epsilon": "How likely it may be, at each decision, that more is sold than there is: by it urgency and `auto` "
        "buffers are sized. Above 0, at most 0.5.",
    },
    "channels": {
        "checkout": "Time from a buyer's commitment until the order exists, such as `2m`. Empty: `checkout_ms` of the "
        "connector's [capabilities](connectors.md).",
        "reports_checkouts": "Whether we hear of that checkout at once: the channel exposes what it reserves, or its checkout "
        "asks for a hold. Then its time does not count. Left out: `exposes_reserved` of the capabilities.",
    },
    "adopt": {
        "items": "By what its variants are matched to items of the ERP, exactly, in this order: `sku`, `barcode`, or a field of "
        "the ERP's item that holds the shop's SKU. Left out: `sku`.",
        "orders": "Fields of the ERP's orders in which the connector before wrote something of the shop's, with how: `{id}`, "
        "`{name}` and `{number}` stand for the shop's id, the order's name, and the digits of the name.",
        "customers": "The same of the ERP's customers, by `{id}`. Left out: customers are not read.",
    },
    "velocity": {
        "high": "A SKU that sells faster than this is high.",
        "medium": "One that sells faster than this is medium, and any other low.",
        "leave_share": "A class is left only by a SKU that is slower than this part of its threshold,",
        "leave_after": "for so long without a break. It is entered at once.",
    },
    "retention": {
        "orders": "So long after the last that either side told of a finished order it is forgotten, all but its identity; 31 days at "
        'least, and longer than `orders_since` of `[reconcile]`. `"forever"`: never.',
    },
    "reconcile": {
        "every": 'Time between two proofs of a route, an hour at least; `"never"`: only when somebody asks.',
        "budget": "Part of each vendor's limit that a proof may use besides everything else. One that is asked for takes what "
        "urgent calls leave.",
        "orders_since": "Orders that changed within so long are compared. Shopify hides those of more than 60 days from most apps.",
        "repair": "Whether anything is mended unasked. Without it differences are only named.",
        "max_records": "Records that one proof mends unasked; the rest waits for a person.",
        "max_units": "Units by which it may change them, all together.",
        "max_share": "Part of the rows compared so far that it mends unasked; 500 rows count at least.",
    },
    "routing": {
        "channels": "Channels whose accepted orders are routed. Left out: all whose orders go to the ERP that their stock comes from. "
        "`[]`: quotes only.",
        "currency": "Of the costs; it is only shown.",
        "cost_per_parcel": "What each further parcel of an order costs besides: so much a split has to save.",
        "cost_per_order": "Handling of a parcel.",
        "cost_per_line": "Handling of each line in it.",
        "cost_per_km": "Of its way, as the crow flies.",
        "zones": "List of `{ km = 300, cost = 5 }`, nearest first: a parcel over at most so many kilometres costs so much, instead of "
        "`cost_per_km`. Beyond the last it costs what the last says.",
        "orders_per_day": "How many orders a location takes in 24 hours. Left out: as many as there are. A full location is asked only where "
        "nobody else has the goods.",
        "orders_per_hour": "The same in 60 minutes.",
        "parcels_max": "The most parcels of one order, from 1 to 6.",
        "ship_complete": "Nothing is sent unless all of it can be. An accepted order then stays where its channel expects it.",
        "split_lines": "Whether units of one line may come from several locations.",
        "refusals_max": "After more refusals of one order a person decides, from 0 to 20.",
        "moves": "Whether a channel that can (`moves_orders` of its [capabilities](connectors.md)) is made to expect an order from where "
        "it is sent: `park`, and what it refuses waits for a person; `tolerate`, and it is only noted; `off`.",
        "places": "A table of postcodes, CSV or CSV.gz beside the configuration, with the columns `postcode`, `latitude`, `longitude` and, "
        "if it is of several countries, `country`. Without it only quotes that give coordinates know distances.",
        "locations": "ERP location id = [routing.locations.ID].",
        "rules": "See [[routing.rules]].",
    },
    "routing_site": {
        "latitude": "Degrees north.",
        "longitude": "Degrees east.",
        "country": "With `postcode`, instead of degrees: looked up in `places`.",
        "postcode": "See `country`.",
        "cost_per_order": "Instead of that of [routing], as the keys below.",
        "cost_per_line": "",
        "cost_per_km": "",
        "zones": "",
        "orders_per_day": "",
        "orders_per_hour": "",
    },
    "routing_rule": {
        "name": "How reasons call it. Empty: its number.",
        "channels": "The rule holds for orders of these channels; as with the next four keys, left out: of all.",
        "countries": "Of the destination, ISO 3166-1 alpha-2.",
        "regions": "Of the destination, as the channel names them.",
        "postcodes": "Beginnings of the destination's postcode.",
        "skus": "It holds for these SKUs only, as the channel names them; `prefer` for orders that have one of them.",
        "exclude": "ERP locations that send nothing of it.",
        "prefer": "ERP locations of which a parcel counts as cheaper by `worth` when plans are compared.",
        "worth": "See `prefer`. The cost that is told is the real one.",
    },
    "routing_zone": {
        "km": "Up to this distance, in kilometres,",
        "cost": "a parcel costs this.",
    },
    "kits": {
        "components": "SKU = how many of it one kit takes. Whole numbers, 1 at least. A SKU may be a kit itself, eight below one another at the most."
    },
    "units": {
        "of": "The SKU that is stocked.",
        "count": "How many of it one unit of this SKU is.",
    },
}

PLAN_MEANING: dict[str, dict[str, str]] = {
    "file": {
        "title": "Title of the document.",
        "currency": "Of every price in the file.",
        "systems": "See [systems.NAME].",
        "flows": "See [[flows]].",
        "volumes": "See [volumes].",
        "compare": "See [compare].",
        "effort": "See [effort].",
    },
    "systems": {
        "vendor": "Which product it is: one of the vendors below.",
        "licence": "Its plan or licence, by which its limits are known. Empty: the smallest that is known.",
        "limit_share": "Part of each limit that may be used. Empty: `80%`, for a fifth is kept for urgent calls.",
        "events": "Whether its events can reach this installation.",
        "calls_at_once": "How many calls the account allows at once, instead of the licence's figure; as the next three keys.",
        "calls_per_minute": "Calls a minute.",
        "calls_per_day": "Calls in 24 hours.",
        "points_per_s": "Points a second, of vendors that count the cost of calls.",
        "price_per_1000_calls": "What a thousand calls cost.",
        "price_per_month": "What it costs besides, a month: a licence, a subscription.",
    },
    "volumes": {
        "skus": "How many items are sold.",
        "locations": "In how many places stock is kept.",
        "prices": "Prices in all lists together. 0: one an item.",
        "customers": "Companies, or consumers that the ERP knows.",
        "orders_per_day": "Orders on a usual day.",
        "lines_per_order": "Lines of an order, on average.",
        "stock_moves_per_day": "Movements of stock that no order causes: receipts, transfers, counts.",
        "peak_hour": "Part of a day's changes that fall into its busiest hour.",
    },
    "flows": {
        "flow": "`customers`, `prices`, `inventory`, `catalog`, `orders`, `credit`, `order_status`, `payments`, `returns` or `reports`.",
        "from": "Name of the system that owns the data.",
        "to": "Name of the system that receives it, or a list of several.",
        "tolerance": "How old the data may become. Empty: `10s` for orders and payments, `5m` for inventory and credit, `1d` for "
        "reports, else `1h`.",
        "if_event_lost": "How late a change may be whose event was lost. Empty: `5m` for orders, payments and credit, `1h` for "
        "inventory, else `1d`; never less than the tolerance.",
        "records": "How many records there are. 0: from [volumes].",
        "changes_per_day": "How many change on a usual day. 0: from [volumes].",
        "peak_hour": "As in [volumes], for this flow.",
        "consequence": "Who is hurt by late data, in words.",
        "hurt_share": "Which part of the values that are an hour old leads to it.",
        "cost_each": "What each such case costs.",
        "cost_per_hour": "What is lost besides for every hour in which the whole flow stands.",
        "segments": "Name = [flows.segments.NAME]. For inventory `high`, `medium` and `low` are the classes of velocity.",
        "via": "Name of a broker between the two.",
        "mapping_fields": "How many fields are mapped.",
        "custom_fields": "How many of the account's own are, besides.",
        "both_ways": "Whether the flow goes back as well: counted as work. For its calls, ask for the way back as a flow of its own.",
        "gate": "Whether somebody waits for its answer, such as a checkout for credit.",
    },
    "segments": {
        "tolerance": "How old these records may become.",
        "records": "Which part of the flow's records they are.",
        "changes": "Which part of its changes they have.",
        "hurt_share": "Instead of the flow's, as the next key.",
        "cost_each": "",
    },
    "compare": {
        "batch": "Interval of the design in which everything is a batch.",
        "reconcile": "Time between two full reads.",
        "host_per_month": "What the machine costs that runs Syncline.",
    },
    "effort": {
        "per_flow": "Days of a flow before anything is mapped.",
        "per_field": "Days of a field.",
        "per_custom_field": "Days of a custom field.",
        "second_way": "What the way back takes, as a part of the first.",
        "gate": "Days of a gate.",
        "tests_share": "Tests and acceptance, as a part of what is built.",
        "per_system": "Days of a system: credentials, access, a sandbox.",
        "missing_connector": "Days more of a system for which there is no connector.",
    },
    "planned_route": {
        "worst_case": "The worst case that was foretold.",
        "if_event_lost": "The same if an event is lost.",
        "changes_per_hour": "Changes in the busiest hour.",
    },
    "planned_system": {"calls_per_hour": "Calls in the busiest hour."},
}
