package remit

import (
	"strings"

	"remit/ledger"
	"remit/money"
)

// The chart of accounts. All of them are the merchant's own, so that no row
// is shared by two merchants:
//
//	merchant/{id}/{CUR}                  what the merchant has with us
//	merchant/{id}/clearing/{rail}/{CUR}  what a rail says it has paid, until a statement shows it
//	merchant/{id}/world/{CUR}            everybody else: payers, beneficiaries; may be overdrawn
//	merchant/{id}/owed/{CUR}             what the merchant owes us after a payment was reversed
func merchantAccount(m MerchantID, path string, c money.Currency) ledger.AccountID {
	return ledger.AccountID("merchant/" + string(m) + "/" + path + string(c))
}

// BalanceAccount holds a merchant's money in one currency.
func BalanceAccount(m MerchantID, c money.Currency) ledger.AccountID {
	return merchantAccount(m, "", c)
}

// ClearingAccount is where money stands that a rail has paid.
func ClearingAccount(m MerchantID, rail string, c money.Currency) ledger.AccountID {
	return merchantAccount(m, "clearing/"+rail+"/", c)
}

// WorldAccount is everybody outside, as one merchant sees them.
func WorldAccount(m MerchantID, c money.Currency) ledger.AccountID {
	return merchantAccount(m, "world/", c)
}

// OwedAccount is what a merchant owes us. Money is lent from it, so it may be
// overdrawn: by just so much.
func OwedAccount(m MerchantID, c money.Currency) ledger.AccountID {
	return merchantAccount(m, "owed/", c)
}

// AccountPath is an account's name within its merchant, as a store keeps it;
// AccountAt is its inverse.
func AccountPath(id ledger.AccountID) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(string(id), "merchant/"), "/")
	return rest
}

// AccountAt is the account of a path within a merchant.
func AccountAt(m MerchantID, path string) ledger.AccountID {
	return ledger.AccountID("merchant/" + string(m) + "/" + path)
}

// MayGoNegative is the chart's word on which accounts may be overdrawn.
func MayGoNegative(id ledger.AccountID) bool {
	path := AccountPath(id)
	return strings.HasPrefix(path, "world/") || strings.HasPrefix(path, "owed/")
}
