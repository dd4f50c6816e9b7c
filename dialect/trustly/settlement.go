package trustly

import (
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/money"
)

// settlementReport is what settled on one day, as CSV of version 1.2.
// docs/spec/trustly-eu.md#48-viewautomaticsettlementdetailscsv-v12, D26.
var settlementReport = method{
	params: []string{"Username", "Password", "SettlementDate", "Currency", "Attributes"},
	decode: decodeSettlementReport,
	answer: answerSettlementReport,
}

func decodeSettlementReport(c *call) dialect.Operation {
	var f faults
	day := c.date("SettlementDate", &f)
	q := dialect.Query{Entries: true, Proved: true, Max: reportMax, From: day, To: day.Add(24 * time.Hour), Currency: c.anyCurrency(&f)}
	if a := c.attributes(); a.err != nil || a.text("APIVersion") != "1.2" {
		f.at(remit.BeforeLookup, remit.Errorf(remit.Invalid, "", "APIVersion is 1.2"))
	}
	q.Fault = f.first()
	return dialect.Operation{Query: &q}
}

// settlementHeader names the columns. The last is what the clients look for;
// some recordings call it extraref.
const settlementHeader = "datestamp,accountname,currency,amount,total,orderid,ordertype,messageid,username," +
	"fxpaymentamount,fxpaymentcurrency,settlementbankwithdrawalid,externalreference\n"

// answerSettlementReport writes a line for each movement, and nothing of a day
// on which there was none.
func answerSettlementReport(c *call, r remit.Result) (value, *remit.Error) {
	moves, err := movements(r)
	if err == nil && len(moves) == 0 {
		err = remit.Errorf(remit.Conflict, "", "nothing settled on that day")
	}
	if err != nil {
		return value{}, err
	}
	totals := map[money.Currency]money.Amount{}
	for _, m := range moves {
		sum := totals[m.Amount.Currency]
		totals[m.Amount.Currency] = money.Amount{Minor: sum.Minor + m.Amount.Minor, Currency: m.Amount.Currency}
	}
	var b strings.Builder
	b.WriteString(settlementHeader)
	username, _ := c.data.get("Username").scalar()
	for _, m := range moves {
		for i, text := range []string{
			at(m.At), m.from, string(m.Amount.Currency), m.text, totals[m.Amount.Currency].Major(), m.order, m.kind, m.message, username,
			"", "", settlementNumber(m.At), m.reference,
		} {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(cell(text))
		}
		b.WriteByte('\n')
	}
	return value{kind: object, members: []member{{"view_automatic_settlement_details", str(b.String())}}}, nil
}

// settlementNumber is the reference of a day's settlement: ten digits.
func settlementNumber(at time.Time) string { return "10" + at.UTC().Format("20060102") }

// cell writes a value of the report. What cannot be written, since the report
// has no way to escape it, is replaced: quotes, and ends of lines.
// docs/spec/trustly-eu.md#48-viewautomaticsettlementdetailscsv-v12.
func cell(text string) string {
	text = strings.NewReplacer(`"`, "'", "\n", " ", "\r", " ").Replace(text)
	if strings.ContainsAny(text, " ,") {
		return `"` + text + `"`
	}
	return text
}

// merchantSettlement pays the merchant's own balance out to the account that
// its settings name. docs/spec/trustly-eu.md#410-one-line-methods, D27.
var merchantSettlement = method{
	params: []string{"Username", "Password", "MessageID", "Amount", "Currency", "Attributes"},
	decode: decodeMerchantSettlement,
	answer: func(_ *call, r remit.Result) (value, *remit.Error) {
		var reference string
		if r.Disbursement != nil {
			reference = r.Disbursement.ExternalID
		}
		return value{kind: object, members: []member{{"reference", str(reference)}}}, nil
	},
	words: map[fault]problem{{remit.NotFound, remit.ReasonBeneficiary}: {"621", "ERROR_NO_SUITABLE_BANK_ACCOUNT_FOUND"}},
}

// configSettlement is a merchant's setting: the number of its own account in a
// currency.
const configSettlement = Name + ".settlement_account."

func decodeMerchantSettlement(c *call) dialect.Operation {
	var f faults
	message, missing, malformed := c.called("MessageID", reasonMessageNull, reasonMessage)
	f.at(remit.BeforeLookup, missing)
	f.at(remit.BeforeLookup, malformed)
	p := &dialect.Payout{
		Payout: remit.Payout{
			Keyed: c.keyed(), Naming: remit.Number, OrderReference: message, OrderOnce: true, WhenShort: remit.Refuse,
			Details: details{Method: "MerchantSettlement"}.String(),
		},
		Content: c.content(),
	}
	c.payoutAmount(p, &f)
	account := c.settings.Config[configSettlement+string(p.Amount.Currency)]
	if account == "" {
		f.at(remit.AtLookup, remit.Errorf(remit.NotFound, remit.ReasonBeneficiary, "no account of the merchant is known in this currency"))
	}
	p.Beneficiary = remit.BeneficiaryID(account)
	p.Faults = f
	return dialect.Operation{Payout: p}
}
