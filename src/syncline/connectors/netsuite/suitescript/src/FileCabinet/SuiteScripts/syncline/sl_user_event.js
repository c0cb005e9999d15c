/**
 * After a document was saved: read the stock levels it touched, store an event, try to post it.
 *
 * A failure here never fails the save. The script does not run for changes that another user-event
 * script makes; polling and reconciliation find those.
 *
 * @NApiVersion 2.1
 * @NScriptType UserEventScript
 * @NModuleScope SameAccount
 */
define(['N/log', 'N/query', 'N/record', 'N/runtime', './sl_outbox'], (log, query, record, runtime, outbox) => {
  const ROWS_MAX = 2000; // lines or levels in one event
  const IDS_MAX = 500; // values in one IN list; the database takes 1,000
  // One event costs 10 for its post, 4 + 2 to store and 2 to note.
  const UNITS_PER_EVENT = 18;
  const UNITS_KEPT = 50;

  const SUBLISTS = {
    inventoryadjustment: { id: 'inventory', quantity: 'adjustqtyby' },
    inventorytransfer: { id: 'inventory', quantity: 'adjustqtyby' },
  };
  const PACKAGES = [
    ['package', ''],
    ['packageups', 'ups'],
    ['packagefedex', 'fedex'],
    ['packageusps', 'usps'],
  ];

  const text = (value) => (value === null || value === undefined || value === '' ? null : String(value));
  const number = (value) => text(value) ?? '0';

  const chunks = (values) => {
    const parts = [];
    for (let at = 0; at < values.length; at += IDS_MAX) parts.push(values.slice(at, at + IDS_MAX));
    return parts;
  };

  const rows = (sql, params) => query.runSuiteQL({ query: sql, params }).asMappedResults();

  /** Runs a query for each part of a long IN list. */
  const rowsIn = (sql, ids, more = []) =>
    chunks(ids).flatMap((part) => rows(sql.replace('(:ids)', `(${part.map(() => '?').join(',')})`), [...part, ...more]));

  const readLines = (doc) => {
    const { id: sublistId, quantity } = SUBLISTS[doc.type] || { id: 'item', quantity: 'quantity' };
    const count = doc.getLineCount({ sublistId });
    const header = text(doc.getValue({ fieldId: 'location' }));
    const lines = [];
    for (let line = 0; line < Math.max(0, count); line += 1) {
      const get = (fieldId) => doc.getSublistValue({ sublistId, fieldId, line });
      const item = text(get('item'));
      if (item === null) continue;
      const order = doc.type === 'salesorder';
      lines.push({
        line: Number(get('line') || line + 1),
        item,
        sku: null,
        location: text(get('location')) ?? header,
        units: text(get('units')),
        member: Number(get('kitmemberof')) > 0,
        kit: get('itemtype') === 'Kit',
        quantity: text(get(quantity)),
        committed: order ? number(get('quantitycommitted')) : null,
        backordered: order ? number(get('quantitybackordered')) : null,
        closed: get('isclosed') === true || get('isclosed') === 'T',
      });
    }
    return lines;
  };

  const readTracking = (doc) => {
    if (doc.type !== 'itemfulfillment') return [];
    const carrier = text(doc.getText({ fieldId: 'shipmethod' }));
    const found = [];
    for (const [sublistId, suffix] of PACKAGES) {
      const count = doc.getLineCount({ sublistId });
      for (let line = 0; line < Math.max(0, count); line += 1) {
        const value = text(doc.getSublistValue({ sublistId, fieldId: `packagetrackingnumber${suffix}`, line }));
        if (value !== null) found.push({ number: value, carrier });
      }
    }
    return found;
  };

  /** The members of a document's kits: an order's own lines do not name them, and they are what is kept and promised. */
  const readMembers = (doc) =>
    rows(
      'SELECT item, location, kitmemberof AS kit, quantity, quantitybackordered AS backordered FROM transactionline ' +
        "WHERE transaction = ? AND kitcomponent = 'T'",
      [doc.id],
    );

  /**
   * Restates what waits of kits as their members say it: a kit that lacks one part is not there. What is promised is the rest.
   * False if nobody tells.
   */
  const restateKits = (lines, members) => {
    for (const line of lines) {
      const parts = members.filter((part) => Number(part.kit) === line.line && Number(part.quantity));
      const kits = Number(line.quantity);
      if (!line.kit || line.closed || !(kits > 0)) continue;
      if (!parts.length) return false;
      const waits = parts.map((part) => Math.ceil((Number(part.backordered ?? 0) * kits) / Math.abs(Number(part.quantity))));
      line.backordered = String(Math.min(kits, Math.max(...waits)));
    }
    return true;
  };

  /** Items and locations that the save can have touched: what stood on the document before and after. */
  const touchedKeys = (docs, members) => {
    const keys = new Map();
    for (const { item, location } of members) {
      if (text(location) !== null) keys.set(`${item}|${location}`, { item: String(item), location: String(location) });
    }
    for (const doc of docs) {
      const places = ['transferlocation', 'location'].map((f) => text(doc.getValue({ fieldId: f })));
      for (const line of readLines(doc)) {
        for (const location of [line.location, ...(doc.type.includes('transfer') ? places : [])]) {
          if (location !== null) keys.set(`${line.item}|${location}`, { item: line.item, location });
        }
      }
    }
    return keys;
  };

  const readLevels = (keys) => {
    const items = [...new Set([...keys.values()].map((k) => k.item))];
    const places = [...new Set([...keys.values()].map((k) => k.location))];
    if (!items.length || !places.length) return [];
    const found = rowsIn(
      'SELECT a.item, i.itemid AS sku, a.location, a.quantityonhand, a.quantityavailable, a.quantitycommitted, ' +
        'a.quantitybackordered FROM aggregateitemlocation a JOIN item i ON i.id = a.item ' +
        `WHERE a.item IN (:ids) AND a.location IN (${places.map(() => '?').join(',')})`,
      items,
      places,
    );
    return found
      .filter((row) => keys.has(`${row.item}|${row.location}`))
      .map((row) => ({
        item: String(row.item),
        sku: row.sku,
        location: String(row.location),
        on_hand: number(row.quantityonhand),
        available: number(row.quantityavailable),
        committed: number(row.quantitycommitted),
        backordered: number(row.quantitybackordered),
      }));
  };

  const nameItems = (lines) => {
    const ids = [...new Set(lines.map((line) => line.item))];
    const skus = new Map();
    for (const row of rowsIn('SELECT id, itemid FROM item WHERE id IN (:ids)', ids)) {
      skus.set(String(row.id), row.itemid);
    }
    for (const line of lines) line.sku = skus.get(line.item) ?? null;
  };

  /** Restates the quantities of lines in base units, as levels are; false if nobody tells how many those are. */
  const restate = (lines) => {
    const ids = [...new Set(lines.map((line) => line.units).filter((id) => id !== null))];
    const rates = new Map();
    try {
      for (const row of rowsIn('SELECT internalid, conversionrate FROM unitstypeuom WHERE internalid IN (:ids)', ids)) {
        rates.set(String(row.internalid), Number(row.conversionrate));
      }
    } catch (error) {
      log.error({ title: 'Syncline push: units of measure', details: error });
    }
    for (const line of lines) {
      const { units } = line;
      delete line.units;
      delete line.member;
      delete line.kit;
      if (units === null) continue;
      if (!(rates.get(units) > 0)) return false;
      for (const field of ['quantity', 'committed', 'backordered']) {
        if (line[field] !== null) line[field] = String(Number((Number(line[field]) * rates.get(units)).toFixed(5)));
      }
    }
    return true;
  };

  /** Builds the events of one save; long documents become several. */
  const build = (context) => {
    const gone = context.type === context.UserEventType.DELETE;
    let doc = gone ? context.oldRecord : context.newRecord;
    if (context.type === context.UserEventType.XEDIT) {
      // An inline edit carries the edited fields only.
      doc = record.load({ type: doc.type, id: doc.id });
    }
    const id = String(doc.id);
    const source = text(doc.getValue({ fieldId: 'createdfrom' }));
    const heads = new Map();
    for (const row of rowsIn('SELECT id, externalid, status FROM transaction WHERE id IN (:ids)', [
      ...(gone ? [] : [id]),
      ...(source === null ? [] : [source]),
    ])) {
      heads.set(String(row.id), row);
    }
    const own = heads.get(id) || {
      externalid: doc.getValue({ fieldId: 'externalid' }),
      status: doc.getValue({ fieldId: 'orderstatus' }) || doc.getValue({ fieldId: 'shipstatus' }),
    };
    const shipment = doc.type === 'itemfulfillment';
    // Of a kit its own line is told; the levels of its parts are.
    const read = readLines(doc).filter((line) => !line.member);
    let members = [];
    let whole = true;
    if (doc.type === 'salesorder' && !gone && read.some((line) => line.kit)) {
      try {
        members = readMembers(doc);
        whole = restateKits(read, members);
      } catch (error) {
        whole = false;
        log.error({ title: 'Syncline push: kits', details: error });
      }
    }
    // Without its lines the document is left to the poll; the levels are told all the same.
    const lines = restate(read) && whole ? read : [];
    if (lines.length) nameItems(lines);
    // Before the read: the levels are at least as new as this says.
    const asOf = Date.now();
    const levels = readLevels(touchedKeys([doc, context.oldRecord].filter(Boolean), members));
    const head = {
      type: doc.type,
      id,
      external_id: text(own.externalid),
      event: String(context.type).toLowerCase(),
      status: shipment ? null : text(own.status),
      created_from: source === null ? null : { id: source, external_id: text(heads.get(source)?.externalid) },
      entity: doc.type === 'salesorder' ? text(doc.getValue({ fieldId: 'entity' })) : null,
    };
    const tail = {
      tracking: readTracking(doc),
      ship_status: shipment ? text(own.status) : null,
      last_modified_ms: Math.floor(asOf / 1000) * 1000,
    };
    const parts = Math.max(1, Math.ceil(Math.max(lines.length, levels.length) / ROWS_MAX));
    return Array.from({ length: parts }, (_, part) => {
      const span = [part * ROWS_MAX, (part + 1) * ROWS_MAX];
      return {
        as_of_ms: asOf,
        record: { ...head, lines: lines.slice(...span), ...tail },
        levels: levels.slice(...span),
      };
    });
  };

  const afterSubmit = (context) => {
    try {
      const config = outbox.settings('ue');
      if (!config.url || !config.secrets.length) return;
      const script = runtime.getCurrentScript();
      const events = build(context);
      const entries = events.map((event) => [outbox.store(event), JSON.stringify(event)]);
      for (const [id, stored] of entries) {
        if (script.getRemainingUsage() < UNITS_PER_EVENT + UNITS_KEPT) return; // the drain sends the rest
        const reason = outbox.post(config, id, stored);
        outbox.note(id, reason);
        if (reason !== null) return; // a person is waiting for this save: do not try further
      }
    } catch (error) {
      log.error({ title: 'Syncline push', details: error });
    }
  };

  return { afterSubmit };
});
