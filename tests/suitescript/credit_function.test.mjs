// Runs Shopify's validation function on inputs of the shape that its query asks for. It shows that the function does what
// its README says; it cannot show what the product hands to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../src/syncline/connectors/shopify/function/src/run.js';

const CREDIT = { currency: 'GBP', limit: '1000', available: '400.5', blocked: false, reason: '' };

function input({ credit = CREDIT, amount = '400.5', currency = 'GBP', step = 'CHECKOUT_INTERACTION', company = true } = {}) {
  const metafield = credit === null ? null : { value: typeof credit === 'string' ? credit : JSON.stringify(credit) };
  return {
    buyerJourney: { step },
    cart: {
      cost: { totalAmount: { amount, currencyCode: currency } },
      buyerIdentity: { purchasingCompany: company ? { company: { metafield } } : null },
    },
  };
}

const PASSES = { operations: [] };
const stopped = (given) => run(given).operations[0]?.validationAdd.errors[0];

test('the last of a credit may be used, and nothing beyond', () => {
  assert.deepEqual(run(input()), PASSES);
  assert.deepEqual(run(input({ amount: '400.500000' })), PASSES);
  assert.deepEqual(stopped(input({ amount: '400.51' })), {
    message: 'This order exceeds the credit that is left: 400.5 GBP.',
    target: '$.cart',
  });
});

test('amounts are compared without rounding', () => {
  const credit = { ...CREDIT, available: '9007199254740.993' };
  assert.deepEqual(run(input({ credit, amount: '9007199254740.993' })), PASSES);
  assert.ok(stopped(input({ credit, amount: '9007199254740.994' })));
});

test('an account on hold is told why', () => {
  const credit = { ...CREDIT, blocked: true, reason: 'This account is on hold.' };
  assert.equal(stopped(input({ credit, amount: '1' })).message, 'This account is on hold.');
  assert.ok(stopped(input({ credit: { ...credit, reason: '' }, amount: '1' })).message);
});

test('who has no limit, buys without terms, or is no company goes on', () => {
  assert.deepEqual(run(input({ credit: { ...CREDIT, available: null }, amount: '99999' })), PASSES);
  assert.deepEqual(run(input({ credit: null, amount: '99999' })), PASSES);
  assert.deepEqual(run(input({ company: false, amount: '99999' })), PASSES);
  assert.deepEqual(run({ cart: { cost: { totalAmount: { amount: '1', currencyCode: 'GBP' } }, buyerIdentity: null } }), PASSES);
});

test('a buyer is stopped at the checkout, not in the cart', () => {
  assert.deepEqual(run(input({ amount: '999', step: 'CART_INTERACTION' })), PASSES);
  assert.ok(stopped(input({ amount: '999', step: 'CHECKOUT_COMPLETION' })));
  assert.ok(stopped(input({ amount: '999', step: null })));
});

test('what cannot be judged is stopped', () => {
  for (const credit of ['', '{', 'null', '7', '{}', { ...CREDIT, available: 'much' }, { ...CREDIT, available: '1e3' },
    { ...CREDIT, blocked: 'no' }, { ...CREDIT, available: '1.0000001' }]) {
    assert.ok(stopped(input({ credit, amount: '1' })), JSON.stringify(credit));
  }
  assert.match(stopped(input({ currency: 'EUR', amount: '1' })).message, /another currency/);
});

test('a source that names no currency has one only', () => {
  assert.deepEqual(run(input({ credit: { ...CREDIT, currency: '' }, amount: '1' })), PASSES);
});
