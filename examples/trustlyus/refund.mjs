// Gives back part of a captured transaction through Trustly's API of the
// Americas, and hears of it by signed events. It needs Node 18 or newer, and
// nothing else.
//
//   node refund.mjs path/to/sandbox.json [amount]
//
// Everything above main() works against Trustly as well as against Remit.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

// call makes one call, and answers its JSON. A refusal is an error.
async function call(account, method, path, fields) {
  const response = await fetch(account.url + path, {
    method,
    headers: { Authorization: 'Basic ' + Buffer.from(`${account.access_id}:${account.access_key}`).toString('base64') },
    body: fields && new URLSearchParams(fields),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status}: ${answer.errors[0].code} ${answer.errors[0].message}`);
  return answer;
}

// refund gives an amount back, or without one all that is left.
async function refund(account, transactionId, fields) {
  return (await call(account, 'POST', `/transactions/${transactionId}/refund`, fields)).transaction;
}

// believed tells whether an event is the provider's: its header looks like
// credentials, and is a signature over the decoded body.
function believed(account, authorization, body) {
  const [id, ...signature] = Buffer.from((authorization ?? '').replace(/^Basic /, ''), 'base64').toString().split(':');
  const text = decodeURIComponent(body.replaceAll('+', ' '));
  const want = createHmac('sha1', account.access_key).update(text, 'utf8').digest();
  const got = Buffer.from(signature.join(':'), 'base64');
  return id === account.access_id && got.length === want.length && timingSafeEqual(got, want);
}

// listen answers events with 200, and hands on those that it believes. Events
// may come more than once, with the same eventId.
function listen(account, hear) {
  const seen = new Set();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    if (!believed(account, request.headers.authorization, body)) {
      response.writeHead(401).end();
      return;
    }
    response.writeHead(200).end('Ok');
    const event = Object.fromEntries(new URLSearchParams(body));
    if (!seen.has(event.eventId)) hear(event);
    seen.add(event.eventId);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function post(url, body) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  return response.json();
}

async function main(file, amount = '7.50') {
  const sandbox = JSON.parse(readFileSync(file, 'utf8'));
  const account = sandbox.trustlyus;
  let done;
  const refunded = new Promise((resolve) => (done = resolve));
  const server = await listen(account, (event) => {
    if (!['Process', 'Complete', 'Refund'].includes(event.eventType) || event.status === '4' && event.transactionType !== '4') return;
    console.log(`event ${event.eventType} ${event.objectId}: ${event.statusMessage}`);
    if (event.eventType === 'Refund') done();
  });
  try {
    const { external_id: capture } = await post(`${sandbox.control_url}/payments`, {
      dialect: 'trustlyus', amount_minor: 2500, currency: 'USD', order_reference: 'WEB-20417',
      notification_url: `http://127.0.0.1:${server.address().port}/events`,
    });
    const made = await refund(account, capture, { amount, merchantReference: 'RF-20417-1' });
    console.log(`refund ${made.transactionId} of ${made.amount} ${made.currency}: ${made.statusMessage}`);
    await post(`${sandbox.control_url}/clock/advance`, { by: '1m' });
    await refunded;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(String(error.message));
  process.exitCode = 1;
});
