// A client for Trustly's API: signed calls, and answers to notifications. It
// needs Node 18 or newer, and nothing else, and works against Trustly as well
// as against Remit.

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

export async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

// open reads the credentials of a section "trustly" of sandbox.json.
export function open({ url, username, password, merchant_private_key, server_public_key }) {
  return {
    url,
    username,
    password,
    merchantPrivateKey: readFileSync(merchant_private_key),
    serverPublicKey: readFileSync(server_public_key),
  };
}

// call sends one signed request, and answers with the data of its result. It
// believes neither a result nor an error that the server has not signed. After
// a timeout call again with the same uuid: the answer will be the same.
export async function call(account, method, data, uuid = randomUUID()) {
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

// acknowledge reads the body of a notification and makes the reply to it.
// status is OK, or FAILED to a debit that must not be paid out. A notification
// may come twice: its notificationid is the same then.
export function acknowledge(account, body, status = () => 'OK') {
  const { method, params } = JSON.parse(body);
  if (!verify(account.serverPublicKey, { ...params, method })) throw new Error(`the ${method} is not the server's`);
  const data = { status: status(method, params.data) };
  const signature = sign(account.merchantPrivateKey, method, params.uuid, data);
  return { method, data: params.data, reply: { result: { signature, uuid: params.uuid, method, data }, version: '1.1' } };
}
