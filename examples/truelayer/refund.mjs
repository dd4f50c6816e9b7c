// Gives back part of a payment through TrueLayer's Payments API v3. It needs
// Node 18 or newer, and nothing else.
//
//   node refund.mjs path/to/sandbox.json [amount in minor units]
//
// Everything above main() works against TrueLayer as well as against Remit.

import { createPrivateKey, createSign, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

const base64url = (text) => Buffer.from(text).toString('base64url');

// sign makes the Tl-Signature of a request: a JWS whose payload, the method,
// the path, the signed headers and the body, is left out again.
function sign(account, method, path, headers, body) {
  const names = Object.keys(headers);
  const head = base64url(JSON.stringify({ alg: 'ES512', kid: account.kid, tl_version: '2', tl_headers: names.join(',') }));
  const payload = `${method} ${path}\n` + names.map((name) => `${name}: ${headers[name]}\n`).join('') + body;
  const signer = createSign('SHA512').update(`${head}.${base64url(payload)}`);
  const signature = signer.sign({ key: account.privateKey, dsaEncoding: 'ieee-p1363' }, 'base64url');
  return `${head}..${signature}`;
}

async function read(response) {
  const answer = await response.json();
  if (response.ok) return answer;
  const errors = Object.entries(answer.errors ?? {}).map(([name, why]) => `${name}: ${why}`);
  throw new Error(`${answer.status ?? response.status} ${answer.title ?? answer.error}: ${errors.join('; ') || answer.detail || ''}`);
}

async function token(account) {
  const response = await fetch(`${account.authURL}/connect/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      grant_type: 'client_credentials', client_id: account.clientID, client_secret: account.clientSecret, scope: 'payments',
    }),
  });
  return (await read(response)).access_token;
}

// post sends a signed request. The same key and body can be sent again after
// a lost answer: nothing happens twice.
async function post(account, bearer, path, value, key = randomUUID()) {
  const body = JSON.stringify(value);
  const signed = { 'Idempotency-Key': key };
  const response = await fetch(account.apiURL + path, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json', Authorization: `Bearer ${bearer}`, ...signed,
      'Tl-Signature': sign(account, 'POST', path, signed, body),
    },
    body,
  });
  return read(response);
}

async function get(account, bearer, path) {
  return read(await fetch(account.apiURL + path, { headers: { Authorization: `Bearer ${bearer}` } }));
}

async function main([file, amount = '3000']) {
  if (!file) throw new Error('usage: node refund.mjs path/to/sandbox.json [amount in minor units]');
  const sandbox = JSON.parse(readFileSync(file, 'utf8'));
  const t = sandbox.truelayer;
  const account = {
    authURL: t.auth_url, apiURL: t.api_url, clientID: t.client_id, clientSecret: t.client_secret, kid: t.kid,
    privateKey: createPrivateKey(readFileSync(t.signing_private_key)),
  };

  const paid = await fetch(`${sandbox.control_url}/payments`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ dialect: 'truelayer', amount_minor: 10000, currency: 'EUR', state: 'funded' }),
  });
  const payment = (await paid.json()).external_id;

  const bearer = await token(account);
  const path = `/v3/payments/${payment}/refunds`;
  const { id } = await post(account, bearer, path, { amount_in_minor: Number(amount), reference: 'return-42' });
  const refund = await get(account, bearer, `${path}/${id}`);
  console.log(`refund ${id} of ${refund.amount_in_minor} ${refund.currency} of payment ${payment}: ${refund.status}`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
