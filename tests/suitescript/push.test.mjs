// Runs the SuiteScript bundle against hand-written stand-ins of the N modules. It shows that the scripts do what the
// README says; it cannot show that the product does what the stand-ins say.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../src/syncline/connectors/netsuite/suitescript/src/', import.meta.url));
const SCRIPTS = `${ROOT}FileCabinet/SuiteScripts/syncline/`;
const KEYS = { custsecret_new: 'new-secret', custsecret_old: 'old-secret' };

class Product {
  constructor() {
    this.units = 1000;
    this.outbox = new Map();
    this.nextId = 71;
    this.posts = [];
    this.errors = [];
    this.answer = () => ({ code: 204 });
    this.loaded = [];
    this.transactions = [
      { id: 5021, externalid: 'shop-1001', status: 'B' },
      { id: 5040, externalid: null, status: 'C' },
    ];
    this.items = [
      { id: 12, itemid: '21730' },
      { id: 13, itemid: 'TAX' },
    ];
    this.levels = [
      { item: 12, location: 1, quantityonhand: 40, quantityavailable: 34, quantitycommitted: 6, quantitybackordered: null },
      { item: 12, location: 2, quantityonhand: 9, quantityavailable: 9, quantitycommitted: 0, quantitybackordered: 0 },
    ];
    this.parameters = {};
    for (const p of ['ue', 'dr']) {
      this.parameters[`custscript_sl_${p}_url`] = 'https://syncline.test/hook';
      this.parameters[`custscript_sl_${p}_secret_1`] = 'custsecret_new';
    }
    const product = this;
    const spend = (units) => {
      product.units -= units;
      if (product.units < 0) throw Object.assign(new Error('limit'), { name: 'SSS_USAGE_LIMIT_EXCEEDED' });
    };
    this.modules = {
      'N/log': { error: (e) => product.errors.push(e) },
      'N/encode': { Encoding: { UTF_8: 'UTF_8', BASE_64: 'BASE_64' } },
      'N/crypto': {
        HashAlg: { SHA256: 'SHA256' },
        createSecretKey: ({ secret }) => KEYS[secret],
        createHmac: ({ key }) => {
          const mac = createHmac('sha256', key);
          return { update: ({ input }) => mac.update(input, 'utf8'), digest: () => mac.digest('base64') };
        },
      },
      'N/runtime': {
        accountId: '1234567_SB1',
        getCurrentScript: () => ({
          getParameter: ({ name }) => product.parameters[name] ?? null,
          getRemainingUsage: () => product.units,
        }),
      },
      'N/https': {
        post: (request) => {
          spend(10);
          const response = product.answer(request);
          product.posts.push(request);
          return response;
        },
      },
      'N/record': {
        create: () => {
          spend(2);
          const values = {};
          return {
            setValue: ({ fieldId, value }) => (values[fieldId] = value),
            save: () => {
              spend(4);
              const id = product.nextId++;
              product.outbox.set(id, values);
              return id;
            },
          };
        },
        submitFields: ({ id, values }) => {
          spend(2);
          Object.assign(product.outbox.get(id), values);
        },
        delete: ({ id }) => {
          spend(4);
          product.outbox.delete(id);
        },
        load: ({ type, id }) => {
          spend(10);
          product.loaded.push([type, id]);
          return product.stored;
        },
      },
      'N/query': {
        runSuiteQL: ({ query, params }) => {
          spend(10);
          return { asMappedResults: () => product.select(query, params) };
        },
      },
    };
  }

  select(sql, params) {
    const ids = params.map(String);
    if (sql.includes('FROM customrecord_syncline_outbox')) {
      return [...this.outbox]
        .filter(([, row]) => row.custrecord_sl_ob_state === params[0])
        .sort(([a], [b]) => a - b)
        .map(([id, row]) => ({ id, body: row.custrecord_sl_ob_body }));
    }
    if (sql.includes('FROM aggregateitemlocation')) {
      const count = sql.match(/a\.item IN \(([?,]*)\)/)[1].split(',').length;
      const [items, places] = [ids.slice(0, count), ids.slice(count)];
      return this.levels
        .filter((l) => items.includes(String(l.item)) && places.includes(String(l.location)))
        .map((l) => ({ ...l, sku: this.items.find((i) => i.id === l.item).itemid }));
    }
    if (sql.includes('FROM unitstypeuom')) {
      if (!this.uom) throw new Error('no such table');
      return this.uom.filter((u) => ids.includes(String(u.internalid)));
    }
    if (sql.includes('FROM transactionline')) {
      if (!this.members) throw new Error('unknown column');
      return this.members.filter((m) => ids.includes(String(m.transaction)));
    }
    if (sql.includes('FROM item')) return this.items.filter((i) => ids.includes(String(i.id)));
    if (sql.includes('FROM transaction')) return this.transactions.filter((t) => ids.includes(String(t.id)));
    throw new Error(`unexpected query ${sql}`);
  }

  load(name) {
    let made;
    const define = (names, factory) => {
      made = factory(...names.map((n) => (n.startsWith('./') ? this.load(`${n.slice(2)}.js`) : this.modules[n])));
    };
    new Function('define', readFileSync(SCRIPTS + name, 'utf8'))(define);
    return made;
  }
}

const doc = (type, id, lines, { fields = {}, sublist = 'item', packages = [] } = {}) => {
  const tables = { [sublist]: lines, package: packages };
  return {
    type,
    id,
    getValue: ({ fieldId }) => fields[fieldId] ?? '',
    getText: ({ fieldId }) => fields[fieldId] ?? '',
    getLineCount: ({ sublistId }) => tables[sublistId]?.length ?? -1,
    getSublistValue: ({ sublistId, fieldId, line }) => tables[sublistId][line][fieldId] ?? '',
  };
};

const TYPES = { CREATE: 'create', EDIT: 'edit', XEDIT: 'xedit', DELETE: 'delete' };
const save = (product, type, newRecord, oldRecord = null) =>
  product.load('sl_user_event.js').afterSubmit({ type, newRecord, oldRecord, UserEventType: TYPES });

const order = () =>
  doc('salesorder', 5021, [
    { line: 1, item: 12, location: 1, quantity: 6, quantitycommitted: 6, quantitybackordered: 0, isclosed: false },
    { line: 2, item: 13, quantity: 1 },
  ], { fields: { entity: 107 } });

test('a saved order is stored, signed, posted and marked done', () => {
  const product = new Product();
  product.parameters.custscript_sl_ue_secret_2 = 'custsecret_old';
  save(product, 'create', order());
  assert.deepEqual(product.errors, []);
  const [post] = product.posts;
  const event = JSON.parse(post.body);
  assert.deepEqual(Object.keys(event), ['event_id', 'seq', 'account', 'as_of_ms', 'record', 'levels']);
  assert.equal(event.event_id, '1234567_SB1-71');
  assert.equal(event.seq, 71);
  assert.equal(event.record.external_id, 'shop-1001');
  assert.deepEqual(Object.keys(event.record), [
    'type', 'id', 'external_id', 'event', 'status', 'created_from', 'entity', 'lines', 'tracking', 'ship_status',
    'last_modified_ms',
  ]);
  assert.equal(event.record.entity, '107');
  assert.deepEqual(event.record.lines[0], {
    line: 1, item: '12', sku: '21730', location: '1', quantity: '6', committed: '6', backordered: '0', closed: false,
  });
  assert.deepEqual(event.levels, [
    { item: '12', sku: '21730', location: '1', on_hand: '40', available: '34', committed: '6', backordered: '0' },
  ]);
  const signed = `${event.event_id}.${post.headers['X-Syncline-Timestamp']}.${post.body}`;
  const expected = ['new-secret', 'old-secret'].map((k) => `v1,${createHmac('sha256', k).update(signed).digest('base64')}`);
  assert.equal(post.headers['X-Syncline-Signature'], expected.join(' '));
  assert.equal(product.outbox.get(71).custrecord_sl_ob_state, 'done');
  assert.ok(product.units > 900, 'one save stays far inside its 1,000 units');
});

test('lines are told in base units, whatever unit they are in', () => {
  const lines = [
    { line: 1, item: 12, location: 1, quantity: 2.5, quantitycommitted: 2, quantitybackordered: 0.5, units: 7 },
    { line: 2, item: 12, location: 1, quantity: 3, quantitycommitted: 3, quantitybackordered: 0, units: 6 },
    { line: 3, item: 13, quantity: 1 },
  ];
  const product = new Product();
  product.uom = [{ internalid: 6, conversionrate: 1 }, { internalid: 7, conversionrate: 12 }];
  save(product, 'create', doc('salesorder', 5021, lines));
  assert.deepEqual(product.errors, []);
  const { record } = JSON.parse(product.posts[0].body);
  assert.deepEqual(
    record.lines.map((line) => [line.quantity, line.committed, line.backordered]),
    [['30', '24', '6'], ['3', '3', '0'], ['1', '0', '0']],
  );
  assert.ok(record.lines.every((line) => !('units' in line)));
  // Where nobody tells what a unit is, the levels are told and the lines are left to the poll.
  for (const uom of [null, [{ internalid: 6, conversionrate: 1 }]]) {
    const other = new Product();
    other.uom = uom;
    save(other, 'create', doc('salesorder', 5021, lines));
    const event = JSON.parse(other.posts[0].body);
    assert.deepEqual(event.record.lines, []);
    assert.equal(event.levels.length, 1);
  }
});

test('of a kit its own line is told, and the levels of its parts', () => {
  const product = new Product();
  product.items.push({ id: 14, itemid: 'SET' });
  const lines = [
    { line: 1, item: 14, location: 1, quantity: 1, itemtype: 'Kit' },
    { line: 2, item: 12, location: 1, quantity: 2, kitmemberof: 1 },
    { line: 3, item: 12, location: 2, quantity: 1, kitmemberof: -1 },
  ];
  save(product, 'create', doc('itemfulfillment', 5040, lines));
  assert.deepEqual(product.errors, []);
  const event = JSON.parse(product.posts[0].body);
  assert.deepEqual(event.record.lines.map((line) => [line.sku, line.quantity]), [['SET', '1'], ['21730', '1']]);
  assert.ok(event.record.lines.every((line) => !('member' in line)));
  assert.deepEqual(event.levels.map((level) => level.location), ['1', '2']);
});

test('of a kit that is ordered the levels of its parts are told, and what waits as they say it', () => {
  const lines = [
    { line: 1, item: 14, location: 1, quantity: 5, itemtype: 'Kit', quantitycommitted: 5, quantitybackordered: '' },
    { line: 4, item: 14, location: 1, quantity: 2, itemtype: 'Kit', isclosed: true },
    { line: 7, item: 13, quantity: 1 },
  ];
  const part = (id, kit, item, quantity, backordered) => ({ transaction: id, kit, item, location: 2, quantity, backordered });
  const product = new Product();
  product.items.push({ id: 14, itemid: 'SET' });
  product.members = [part(5021, 1, 12, -10, 3), part(5021, 1, 13, -5, null), part(5021, 4, 12, -4, 0), part(5021, 1, 12, 0, 0), part(9, 1, 12, -1, 1)];
  save(product, 'create', doc('salesorder', 5021, lines));
  assert.deepEqual(product.errors, []);
  const event = JSON.parse(product.posts[0].body);
  // Three lanterns that wait are missing in two kits of five.
  assert.deepEqual(
    event.record.lines.map((line) => [line.sku, line.quantity, line.backordered, line.closed]),
    [['SET', '5', '2', false], ['SET', '2', '0', true], ['TAX', '1', '0', false]],
  );
  assert.ok(event.record.lines.every((line) => !('kit' in line)));
  assert.deepEqual(event.levels.map((level) => [level.sku, level.location]), [['21730', '2']]);
  // Where nobody tells of the members, the order is left to the poll, and nothing else of it.
  for (const members of [null, []]) {
    const other = new Product();
    other.items.push({ id: 14, itemid: 'SET' });
    other.members = members;
    save(other, 'create', doc('salesorder', 5021, [...lines, { line: 8, item: 12, location: 1, quantity: 1 }]));
    const { record, levels } = JSON.parse(other.posts[0].body);
    assert.deepEqual([record.external_id, record.lines], ['shop-1001', []]);
    assert.deepEqual(levels.map((level) => level.sku), ['21730']);
  }
});

test('a refusal or an error leaves the entry, and never fails the save', () => {
  for (const answer of [
    () => ({ code: 503 }),
    () => {
      throw Object.assign(new Error('slow'), { name: 'SSS_REQUEST_TIME_EXCEEDED' });
    },
  ]) {
    const product = new Product();
    product.answer = answer;
    save(product, 'edit', order());
    assert.equal(product.outbox.get(71).custrecord_sl_ob_state, 'pending');
    assert.ok(product.outbox.get(71).custrecord_sl_ob_error);
    product.answer = () => ({ code: 200 });
    product.units = 10000;
    product.load('sl_outbox_drain.js').execute();
    assert.equal(product.outbox.get(71).custrecord_sl_ob_state, 'pending', 'too young for the drain');
    const row = product.outbox.get(71);
    row.custrecord_sl_ob_body = row.custrecord_sl_ob_body.replace(/"as_of_ms":(\d+)/, (_, ms) => `"as_of_ms":${ms - 61000}`);
    product.load('sl_outbox_drain.js').execute();
    assert.equal(product.outbox.get(71).custrecord_sl_ob_state, 'done');
    assert.equal(JSON.parse(product.posts.at(-1).body).event_id, '1234567_SB1-71');
  }
  const product = new Product();
  product.select = () => {
    throw new Error('query failed');
  };
  save(product, 'create', order());
  assert.equal(product.errors.length, 1);
});

test('the drain keeps the order, stops at a refusal and forgets old entries', () => {
  const product = new Product();
  product.units = 10000;
  const at = (ms) => JSON.stringify({ as_of_ms: Date.now() - ms, record: {}, levels: [] });
  for (const id of [90, 80, 85]) {
    product.outbox.set(id, { custrecord_sl_ob_state: 'pending', custrecord_sl_ob_body: at(120000) });
  }
  product.outbox.set(60, { custrecord_sl_ob_state: 'done', custrecord_sl_ob_body: at(8 * 86400000) });
  product.answer = ({ body }) => ({ code: JSON.parse(body).seq === 85 ? 500 : 200 });
  product.load('sl_outbox_drain.js').execute();
  assert.deepEqual(product.posts.map((p) => JSON.parse(p.body).seq), [80, 85]);
  product.answer = () => ({ code: 200 });
  product.load('sl_outbox_drain.js').execute();
  assert.deepEqual(product.posts.map((p) => JSON.parse(p.body).seq), [80, 85, 85, 90]);
  assert.ok(!product.outbox.has(60));
});

test('an entry that is refused for its content holds up no other', () => {
  const product = new Product();
  product.units = 10000;
  for (const id of [80, 85, 90]) {
    const body = JSON.stringify({ as_of_ms: Date.now() - 120000, record: {}, levels: [] });
    product.outbox.set(id, { custrecord_sl_ob_state: 'pending', custrecord_sl_ob_body: body });
  }
  product.answer = ({ body }) => ({ code: JSON.parse(body).seq === 80 ? 400 : 200 });
  product.load('sl_outbox_drain.js').execute();
  assert.deepEqual(product.posts.map((p) => JSON.parse(p.body).seq), [80, 85, 90]);
  assert.equal(product.outbox.get(80).custrecord_sl_ob_state, 'pending');
  assert.equal(product.outbox.get(80).custrecord_sl_ob_error, 'HTTP 400');
  assert.equal(product.outbox.get(90).custrecord_sl_ob_state, 'done');
  product.answer = () => ({ code: 401 });
  for (const id of [85, 90]) product.outbox.get(id).custrecord_sl_ob_state = 'pending';
  product.load('sl_outbox_drain.js').execute();
  assert.equal(product.posts.length, 4, 'a wrong secret refuses them all');
});

test('an inline edit is read whole, a delete from what it was', () => {
  const product = new Product();
  product.stored = order();
  save(product, 'xedit', doc('salesorder', 5021, []), order());
  assert.deepEqual(product.loaded, [['salesorder', 5021]]);
  assert.equal(JSON.parse(product.posts[0].body).record.lines.length, 2);
  save(product, 'delete', null, order());
  const event = JSON.parse(product.posts[1].body);
  assert.equal(event.record.event, 'delete');
  assert.equal(event.levels.length, 1);
});

test('a line that moved to another location reports both', () => {
  const product = new Product();
  const moved = doc('salesorder', 5021, [{ line: 1, item: 12, location: 2, quantity: 6 }]);
  save(product, 'edit', moved, order());
  assert.deepEqual(JSON.parse(product.posts[0].body).levels.map((l) => l.location).sort(), ['1', '2']);
});

test('a shipment names its order and its parcels', () => {
  const product = new Product();
  const shipped = doc('itemfulfillment', 5040, [{ item: 12, location: 1, quantity: 6 }], {
    fields: { createdfrom: 5021, shipmethod: 'UPS' },
    packages: [{ packagetrackingnumber: '1Z1' }],
  });
  save(product, 'ship', shipped);
  const { record } = JSON.parse(product.posts[0].body);
  assert.deepEqual(record.created_from, { id: '5021', external_id: 'shop-1001' });
  assert.equal(record.entity, null);
  assert.deepEqual(record.tracking, [{ number: '1Z1', carrier: 'UPS' }]);
  assert.equal(record.ship_status, 'C');
  assert.equal(record.status, null);
});

test('a transfer touches both places', () => {
  const product = new Product();
  const transfer = doc('inventorytransfer', 5040, [{ item: 12, adjustqtyby: 3 }], {
    fields: { location: 1, transferlocation: 2 },
    sublist: 'inventory',
  });
  save(product, 'create', transfer);
  assert.equal(JSON.parse(product.posts[0].body).levels.length, 2);
});

test('a long document is split and stays inside its units', () => {
  const product = new Product();
  const lines = Array.from({ length: 4500 }, (_, n) => ({ line: n + 1, item: 12, location: 1, quantity: 1 }));
  save(product, 'create', doc('itemreceipt', 5040, lines));
  assert.deepEqual(product.posts.map((p) => JSON.parse(p.body).record.lines.length), [2000, 2000, 500]);
  assert.ok(product.units > 0);
});

test('unconfigured, it does nothing', () => {
  const product = new Product();
  product.parameters = {};
  save(product, 'create', order());
  product.load('sl_outbox_drain.js').execute();
  assert.equal(product.outbox.size + product.posts.length, 0);
});

test('every deployment is known to the README and every script id is short enough', () => {
  const readme = readFileSync(`${ROOT}../README.md`, 'utf8');
  for (const name of readdirSync(`${ROOT}Objects`)) {
    const xml = readFileSync(`${ROOT}Objects/${name}`, 'utf8');
    for (const [, type] of xml.matchAll(/<recordtype>(\w+)<\/recordtype>/g)) assert.ok(readme.includes(type.toLowerCase()));
    for (const [, id] of xml.matchAll(/scriptid="([^"]+)"/g)) assert.ok(id.length <= 40, id);
  }
});
