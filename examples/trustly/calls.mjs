// Makes every call of the API once, plays the payer on the pages, and listens
// to the notifications.
//
//   node calls.mjs path/to/sandbox.json

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { acknowledge, call, open, post } from './client.mjs';

const messageID = () => `message-${randomUUID()}`;

// listen answers notifications: OK, but to a debit of 13.00. chosen is the
// number of the account that a person will have chosen.
async function listen(account) {
  let choose;
  const chosen = new Promise((done) => { choose = done; });
  const status = (method, data) => (method === 'debit' && data.amount === '13.00' ? 'FAILED' : 'OK');
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const { method, data, reply } = acknowledge(account, body, status);
    console.log(`  notified: ${method} of order ${data.orderid} ${data.amount ?? ''} ${reply.result.data.status}`);
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(reply));
    if (method === 'account') choose(data.accountid);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { server, chosen, url: `http://127.0.0.1:${server.address().port}/trustly` };
}

// act is what a person does on the page of an order.
async function act(url, fields) {
  const response = await fetch(url, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ do: 'go', ...fields }) });
  if (response.status !== 303) throw new Error(`the page answered ${response.status}: ${await response.text()}`);
}

async function main([file]) {
  if (!file) throw new Error('usage: node calls.mjs path/to/sandbox.json');
  const sandbox = JSON.parse(readFileSync(file, 'utf8'));
  const account = open(sandbox.trustly);
  const { server, chosen, url: NotificationURL } = await listen(account);

  const make = async (method, data) => {
    const result = await call(account, method, data);
    console.log(method, JSON.stringify(result));
    return result;
  };
  const order = () => ({ NotificationURL, EndUserID: 'user-1', MessageID: messageID() });
  const money = (Amount) => ({ Amount, Currency: 'EUR' });
  const person = {
    Firstname: 'Steve', Lastname: 'Smith', Email: 'steve@example.com', Country: 'FI', Locale: 'en_FI',
    SuccessURL: 'https://shop.example/thanks', FailURL: 'https://shop.example/sorry',
  };
  const bankAccount = { ClearingHouse: 'SWEDEN', BankNumber: '6112', AccountNumber: '69706212', Firstname: 'Steve', Lastname: 'Smith' };

  // Money comes in, and part of it goes back.
  const deposit = await make('Deposit', { ...order(), Attributes: { ...person, ...money('100.00'), ShopperStatement: 'Shop' } });
  await act(deposit.url, { choice: 'demo' });
  await make('Refund', { OrderID: deposit.orderid, ...money('30.00'), Attributes: { ExternalReference: 'return-42' } });

  // Money goes out, to an account that the merchant knows.
  const { accountid } = await make('RegisterAccount', { EndUserID: 'user-1', ...bankAccount });
  const payout = await make('AccountPayout', { ...order(), AccountID: accountid, ...money('20.00'), Attributes: { ShopperStatement: 'Shop' } });
  await make('RegisterAccountPayout', { ...order(), ...bankAccount, ...money('5.00'), Attributes: { ShopperStatement: 'Shop' } });

  // A person chooses an account, and lets the merchant charge it. A charge
  // whose day has not come can be taken back.
  const choice = await make('SelectAccount', { ...order(), Attributes: { ...person, RequestDirectDebitMandate: '1' } });
  await act(choice.url, { choice: 'spain' });
  const charge = (Amount, more) =>
    chosen.then((AccountID) => make('Charge', { ...order(), AccountID, ...money(Amount), Attributes: { ShopperStatement: 'Shop', ...more } }));
  const charged = await charge('15.00');
  await post(`${sandbox.control_url}/payments/${charged.orderid}/fund`, {}); // its money comes
  const later = await charge('16.00', { PaymentDate: '2999-01-01' });
  await make('CancelCharge', { OrderID: later.orderid });

  // A person withdraws: approved, denied, and not even debited.
  for (const [amount, word] of [['11.00', 'ApproveWithdrawal'], ['12.00', 'DenyWithdrawal'], ['13.00']]) {
    const withdrawal = await make('Withdraw', { ...order(), Currency: 'EUR', Attributes: person });
    await act(withdrawal.url, { choice: 'finland', amount });
    if (word) await make(word, { OrderID: withdrawal.orderid });
  }

  // The bank says what became of it, and the reports tell.
  await post(`${sandbox.control_url}/clock/advance`, { by: '5m' });
  await make('GetWithdrawals', { OrderID: payout.orderid });
  await make('Balance', {});

  // Whoever runs the server sets the account to which the balance is paid out.
  await post(`${sandbox.control_url}/merchants/acme`, { config: { 'trustly.settlement_account.EUR': accountid } });
  await make('MerchantSettlement', { MessageID: messageID(), ...money('10.00') });
  const { now } = await (await fetch(`${sandbox.control_url}/clock`)).json();
  const today = now.slice(0, 10);
  const rows = await call(account, 'AccountLedger', { FromDate: today, ToDate: '2999-01-01', Currency: 'EUR' });
  console.log('AccountLedger', rows.length > 0 ? 'has rows' : 'is empty');
  const report = await call(account, 'ViewAutomaticSettlementDetailsCSV', { SettlementDate: today, Currency: 'EUR', Attributes: { APIVersion: '1.2' } });
  console.log(report.view_automatic_settlement_details.split('\n').find((line) => line.includes('return-42')));
  server.close();
  server.closeAllConnections();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
