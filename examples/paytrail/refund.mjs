// Gives a payment back in two parts: one through Paytrail's Payment API, whose
// answer's signature it checks, and one through the older Merchant API v1. It
// needs Node 18 or newer, and nothing else.
//
//   node refund.mjs path/to/sandbox.json
//
// Everything above main() works against Paytrail as well as against Remit.

import { createHash, createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

// signed makes the signature of the Payment API: over every header whose name
// begins with checkout-, in the order of names, and the body.
function signed(secret, headers, body) {
  const names = Object.keys(headers).filter((name) => name.startsWith('checkout-')).sort();
  const text = [...names.map((name) => `${name}:${headers[name]}`), body].join('\n');
  return createHmac(headers['checkout-algorithm'], secret).update(text).digest('hex');
}

// paymentApi sends one signed request, and believes no answer that is not
// signed.
async function paymentApi({ url, account, secret }, method, path, transactionId, data) {
  const body = data ? JSON.stringify(data) : '';
  const headers = {
    'checkout-account': account,
    'checkout-algorithm': 'sha256',
    'checkout-method': method,
    'checkout-nonce': randomUUID(),
    'checkout-timestamp': new Date().toISOString(),
    'checkout-transaction-id': transactionId,
  };
  const response = await fetch(url + path, {
    method,
    headers: { ...headers, signature: signed(secret, headers, body), 'content-type': 'application/json; charset=utf-8' },
    body: body || undefined,
  });
  const answer = await response.text();
  const theirs = Object.fromEntries(response.headers);
  if (theirs.signature !== signed(secret, theirs, answer)) throw new Error(`the answer to ${path} is not Paytrail's`);
  if (!response.ok) throw new Error(`${response.status} ${answer}`);
  return JSON.parse(answer);
}

// merchantApi sends one request to the Merchant API v1, signed over five lines.
async function merchantApi({ url, merchant, secret }, method, path, data, headers = {}) {
  const body = data ? JSON.stringify(data) : '';
  const timestamp = new Date().toISOString();
  const md5 = createHash('md5').update(body).digest('base64');
  const location = new URL(url).pathname + path;
  const text = [method, location, `PaytrailMerchantAPI ${merchant}`, timestamp, md5].join('\n');
  const response = await fetch(url + path, {
    method,
    headers: {
      ...headers,
      Timestamp: timestamp,
      'Content-MD5': md5,
      Authorization: `PaytrailMerchantAPI ${merchant}:${createHmac('sha256', secret).update(text).digest('base64')}`,
    },
    body: body || undefined,
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(JSON.parse(answer).error.title);
  return { location: response.headers.get('location'), data: answer && JSON.parse(answer) };
}

async function main([file]) {
  if (!file) throw new Error('usage: node refund.mjs path/to/sandbox.json');
  const sandbox = JSON.parse(readFileSync(file, 'utf8'));
  const s = sandbox.paytrail;
  const payments = { url: s.payment_api_url, account: s.account, secret: s.secret };
  const merchant = { url: s.merchant_api_url, merchant: s.merchant_id, secret: s.merchant_secret };

  // The sandbox plays the payer: an order of 10.00 EUR that has been paid.
  const made = await fetch(`${sandbox.control_url}/payments`, {
    method: 'POST',
    body: JSON.stringify({
      dialect: 'paytrail',
      amount_minor: 1000,
      currency: 'EUR',
      order_reference: `WEB-${randomUUID()}`,
      attributes: { rows: [{ amount_minor: 1000, vat_percent: 2550, description: 'Blue mug' }] },
    }),
  });
  const payment = await made.json();
  if (!made.ok) throw new Error(`the sandbox made no payment: ${JSON.stringify(payment)}`);

  const refund = await paymentApi(payments, 'POST', `/payments/${payment.external_id}/refund`, payment.external_id, {
    amount: 590,
    refundStamp: randomUUID(),
    callbackUrls: { success: `${sandbox.inbox_url}/acme/paytrail/ok`, cancel: `${sandbox.inbox_url}/acme/paytrail/ko` },
  });
  console.log(`Payment API: refunded 5.90 EUR: ${refund.status}`);

  const { location } = await merchantApi(
    merchant,
    'POST',
    `/payments/${payment.external_ids.merchant_api}/refunds`,
    { rows: [{ amount: 410, description: 'Blue mug', vatPercent: 2550 }], email: 'maija@example.net', notifyUrl: null },
    { 'Refund-Origin': 'internal' },
  );
  const { data } = await merchantApi(merchant, 'GET', `/refunds/${location.split('/').pop()}`);
  console.log(`Merchant API: refunded ${-data.originalAmount / 100} EUR: ${data.status}`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
