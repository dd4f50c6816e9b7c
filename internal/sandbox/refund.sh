#!/bin/sh
# Makes a payment of 100.00 EUR as if a payer had paid, and refunds 30.00 of
# it through Trustly's API. It needs nothing but curl and openssl.
set -eu
dir=$(dirname "$0")

# setting NAME: a value of the section of acme's Trustly credentials.
setting() { sed -n '/^  "trustly": {/,/^  }/s/^    "'"$1"'": "\(.*\)",\{0,1\}$/\1/p' "$dir/sandbox.json"; }
control=$(sed -n 's/^  "control_url": "\(.*\)",$/\1/p' "$dir/sandbox.json")
url=$(setting url)
username=$(setting username)
password=$(setting password)
key=$(setting merchant_private_key)

# 1. A payer pays.
payment=$(curl -fsS "$control/payments" -d '{"dialect":"trustly","amount_minor":10000,"currency":"EUR"}')
order=$(printf %s "$payment" | sed 's/.*"external_id":"\([0-9]*\)".*/\1/')
echo "payment $order of 100.00 EUR"

# 2. The merchant refunds. What is signed is the method, the UUID, and all names
#    and values of Data in the order of their names.
uuid=$(openssl rand -hex 16 | sed 's/^\(........\)\(....\)\(....\)\(....\)/\1-\2-\3-\4-/')
text="Refund${uuid}Amount30.00CurrencyEUROrderID${order}Password${password}Username${username}"
signature=$(printf %s "$text" | openssl dgst -sha1 -sign "$key" -binary | openssl base64 -A)
curl -fsS "$url" -H 'Content-Type: application/json' -d '{"method":"Refund","version":"1.1","params":{
  "Signature":"'"$signature"'","UUID":"'"$uuid"'","Data":{
    "Username":"'"$username"'","Password":"'"$password"'",
    "OrderID":"'"$order"'","Amount":"30.00","Currency":"EUR"}}}'
echo

# 3. What became of it. After 15 seconds of the sandbox's clock it is settled.
refunds=$(curl -fsS "$control/disbursements?external_id=$order")
echo "$refunds"

# 4. What to paste next.
id=$(echo "$refunds" | sed 's/.*"items":\[{"id":"\([^"]*\)".*/\1/')
cat <<NEXT

Let the bank pay it and send it back after six days, and let these pass:

  curl -s $control/disbursements/$id/outcome -d '{"outcome":"return","after":"144h","reason":"account_closed"}'
  curl -s $control/clock/advance -d '{"by":"150h"}'
  curl -s $control/inbox
NEXT
