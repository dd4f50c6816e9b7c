// Gives back part of a deposit through Trustly's API, and checks the answer's
// signature.
//
//   node refund.mjs path/to/sandbox.json [amount]

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { call, open, post } from './client.mjs';

async function main([file, amount = '30.00']) {
  if (!file) throw new Error('usage: node refund.mjs path/to/sandbox.json [amount]');
  const sandbox = JSON.parse(readFileSync(file, 'utf8'));
  const account = open(sandbox.trustly);

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
