// Runs Paytrail's own client against a sandbox: only the host is another. It
// prints one line for each call: what was asked, and the status of the answer.
const { readFileSync } = require('node:fs');
const axios = require('axios');
const { CallbackUrl, Customer, Item, PaytrailClient, RefundItem } = require('@paytrail/paytrail-js-sdk');

const sandbox = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { payment_api_url, account, secret } = sandbox.paytrail;
(axios.default || axios).interceptors.request.use((c) => {
  c.url = c.url.replace('https://services.paytrail.com', payment_api_url);
  return c;
});

const client = (secretKey) => new PaytrailClient({ merchantId: Number(account), secretKey, platformName: 'test' });
// of wants the client's own classes: it validates nothing else.
const of = (Class, members) => Object.assign(new Class(), members);
const urls = (name) => of(CallbackUrl, { success: `${sandbox.inbox_url}/acme/paytrail/${name}/ok`, cancel: `${sandbox.inbox_url}/acme/paytrail/${name}/ko` });
const tell = (what, answer) => console.log(what, answer.status, answer.data?.status ?? '');

async function main() {
  const shop = client(secret);
  const order = {
    stamp: 'stamp-1', reference: 'WEB-1', amount: 1590, currency: 'EUR', language: 'FI',
    items: [of(Item, { unitPrice: 1590, units: 1, vatPercentage: 24, productCode: 'mug', stamp: 'item-1' })],
    customer: of(Customer, { email: 'maija@example.net' }), redirectUrls: urls('redirect'), callbackUrls: urls('payment'),
  };
  const created = await shop.createPayment(order);
  tell('create', created);
  tell('create-badly', await shop.createPayment({ ...order, amount: -1590 }));
  const { transactionId, href, providers } = created.data;
  tell('status-new', await shop.getPaymentStatus({ transactionId }));
  const refund = { amount: 590, refundStamp: 'rf-1', refundReference: 'RMA-1', callbackUrls: urls('refund') };
  tell('refund-unpaid', await shop.createRefund({ transactionId }, refund));

  const bank = providers.find((p) => p.id === 'osuuspankki');
  const form = new URLSearchParams(bank.parameters.map((p) => [p.name, p.value]));
  const paid = await fetch(bank.url, { method: 'POST', body: form, redirect: 'manual' });
  const { signature, ...back } = Object.fromEntries(new URL(paid.headers.get('location')).searchParams);
  console.log('paid', paid.status, href === bank.url && shop.validateHmac(back, '', signature, secret));

  tell('status-paid', await shop.getPaymentStatus({ transactionId }));
  tell('refund', await shop.createRefund({ transactionId }, refund));
  tell('refund-item', await shop.createRefund({ transactionId }, { amount: 500, items: [of(RefundItem, { amount: 500, stamp: 'item-1' })], callbackUrls: urls('refund') }));
  tell('refund-by-mail', await shop.emailRefund({ transactionId }, { ...refund, amount: 500, email: 'maija@example.net' }));
  tell('refund-too-much', await shop.createRefund({ transactionId }, { ...refund, amount: 1 }));
  tell('refund-badly', await shop.createRefund({ transactionId }, { ...refund, amount: -590 }));
  tell('refund-unknown', await shop.createRefund({ transactionId: '9dd69e18-3fc3-11ee-b592-d35f161da10a' }, refund));
  tell('refund-wrong-secret', await client(`${secret}S`).createRefund({ transactionId }, refund));
  tell('status-malformed', await shop.getPaymentStatus({ transactionId: 'ff47f86d2-3bde-11ee-b003-67223adb8e7d' }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
