// Gives back part of a deposit through Trustly's API, and checks the answer's
// signature. It needs Node 18 or newer, and nothing else.
//
//   node refund.mjs path/to/sandbox.json [amount]
//
// Everything above main() works against Trustly as well as against Remit.

import { constants, createSign, createVerify, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

// serialize makes the text that is signed: the names of an object in the order
// of their bytes, each with its value behind it, and nothing in between.
function serialize(value) {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(serialize).join('');
  if (typeof value !== 'object') return String(value);
  const names = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return names.map((name) => name + serialize(value[name])).join('');
}

function sign(privateKey, method, uuid, data) {
  const signer = createSign('RSA-SHA1').update(method + uuid + serialize(data), 'utf8');
  return signer.sign({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, 'base64');
}

function verify(publicKey, { signature, method, uuid, data }) {
  const verifier = createVerify('RSA-SHA1').update((method ?? '') + (uuid ?? '') + serialize(data), 'utf8');
  return verifier.verify({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature, 'base64');
}

async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

// call sends one signed request, and answers with the data of its result. It
// believes neither a result nor an error that the server has not signed.
async function call(account, method, data, uuid = randomUUID()) {
  const Data = { Username: account.username, Password: account.password, ...data };
  const Signature = sign(account.merchantPrivateKey, method, uuid, Data);
  const answer = await post(account.url, { method, params: { Signature, UUID: uuid, Data }, version: '1.1' });

  const signed = answer.result ?? answer.error?.error;
  if (!signed || signed.uuid !== uuid || !verify(account.serverPublicKey, signed)) {
    throw new Error(`the answer to ${method} ${uuid} is not the server's`);
  }
  if (answer.error) throw new Error(`${signed.data.code} ${signed.data.message}`);
  return signed.data;
}

async function main([file, amount = '30.00']) {
  if (!file) throw new Error('usage: node refund.mjs path/to/sandbox.json [amount]');
  const sandbox = JSON.parse(readFileSync(file, 'utf8'));
  const { url, username, password, merchant_private_key, server_public_key } = sandbox.trustly;
  const account = {
    url,
    username,
    password,
    merchantPrivateKey: readFileSync(merchant_private_key),
    serverPublicKey: readFileSync(server_public_key),
  };

  // The sandbox plays the payer: a deposit of 100.00 EUR that has been paid.
  const deposit = await post(`${sandbox.control_url}/payments`, {
    dialect: 'trustly',
    amount_minor: 10000,
    currency: 'EUR',
    state: 'funded',
    order_reference: `order-${randomUUID()}`,
    attributes: { end_user_id: 'user-1' },
  });
  if (!deposit.external_id) throw new Error(`the sandbox made no deposit: ${JSON.stringify(deposit)}`);

  const refund = await call(account, 'Refund', {
    OrderID: deposit.external_id,
    Amount: amount,
    Currency: 'EUR',
    Attributes: { ExternalReference: 'return-42' },
  });
  console.log(`refunded ${amount} EUR of order ${refund.orderid}: result ${refund.result}`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
