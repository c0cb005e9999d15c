// Stops a company's order that its credit does not cover. What is left of the credit is in the company's metafield
// syncline.credit, which Syncline writes. A cart of nobody's, and of a company without that metafield, goes on: whether
// a company may pay later at all, its payment terms in the shop say.
//
// It is run in the cart and at every step of the checkout, and can look at nothing but its input: not at the hour, so
// not at how old the metafield is, and at no payment method, so an order that is paid by card is judged as well.

const PLACES = 6;
const MESSAGES = {
  over: (left, currency) => `This order exceeds the credit that is left: ${left} ${currency}.`,
  currency: 'This order is in another currency than the credit of your company. Please contact us.',
  unreadable: 'The credit of your company cannot be judged. Please contact us.',
};

// A decimal text as a whole number of millionths, so that nothing is rounded; null if it is none.
function millionths(text) {
  const match = /^(-?)(\d{1,15})(?:\.(\d{1,15}))?$/.exec(String(text));
  if (!match) return null;
  const fraction = (match[3] || '').padEnd(PLACES, '0');
  if (/[1-9]/.test(fraction.slice(PLACES))) return null;
  const value = BigInt(match[2] + fraction.slice(0, PLACES));
  return match[1] ? -value : value;
}

function problem(input) {
  const company = input?.cart?.buyerIdentity?.purchasingCompany?.company;
  const told = company?.metafield?.value;
  if (told === undefined || told === null) return '';
  let credit;
  try {
    credit = JSON.parse(told);
  } catch {
    return MESSAGES.unreadable;
  }
  if (credit === null || typeof credit !== 'object') return MESSAGES.unreadable;
  if (credit.blocked === true) return String(credit.reason || MESSAGES.unreadable);
  if (credit.available === null) return '';
  const total = input.cart.cost.totalAmount;
  if (credit.currency && credit.currency !== total.currencyCode) return MESSAGES.currency;
  const left = millionths(credit.available);
  const wanted = millionths(total.amount);
  if (left === null || wanted === null || credit.blocked !== false) return MESSAGES.unreadable;
  return wanted > left ? MESSAGES.over(credit.available, total.currencyCode) : '';
}

export function run(input) {
  // In the cart a buyer may still change their mind; only who goes on is stopped.
  if (input?.buyerJourney?.step === 'CART_INTERACTION') return { operations: [] };
  const message = problem(input);
  if (!message) return { operations: [] };
  return { operations: [{ validationAdd: { errors: [{ message, target: '$.cart' }] } }] };
}
