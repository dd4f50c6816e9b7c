package sandbox

import (
	_ "embed" // of refundScript
	"fmt"
	"maps"
	"slices"
	"strings"

	"remit"
	"remit/dialect"
	"remit/money"
)

// place is what a section of sandbox.json is made from.
type place struct {
	base        string
	merchant    remit.MerchantID
	credentials dialect.Credentials
	private     func(name string) string // where a key is, by its name
	public      func(name string) string
	server      string                    // where our own public key is
	accounts    map[money.Currency]string // the names of the merchant's balances, where they have any
}

// sections make, for each dialect, what a client needs to call us: in the
// provider's own words, since these are read next to its documentation.
var sections = map[string]func(place) map[string]any{
	"trustly": func(p place) map[string]any {
		return map[string]any{
			"url":      p.base + "/api/1",
			"username": string(p.credentials.Principal), "password": p.credentials.Secrets["password"],
			"merchant_private_key": p.private("merchant"), "merchant_public_key": p.public("merchant"),
			"server_public_key": p.server,
		}
	},
	"trustlyus": func(p place) map[string]any {
		return map[string]any{
			"url":       p.base + "/api/v1",
			"access_id": string(p.credentials.Principal), "access_key": p.credentials.Secrets["access_key"], "merchant_id": p.merchant,
		}
	},
	"truelayer": func(p place) map[string]any {
		kid := slices.Collect(maps.Keys(p.credentials.Public))[0] // there is one
		return map[string]any{
			"auth_url": p.base, "api_url": p.base,
			"client_id": string(p.credentials.Principal), "client_secret": p.credentials.Secrets["client_secret"],
			"kid": kid, "signing_private_key": p.private(kid), "jwks_url": p.base + "/.well-known/jwks",
			"merchant_accounts": p.accounts,
		}
	},
	"paytrail": func(p place) map[string]any {
		id := func(of dialect.Principal) string { return string(of[strings.IndexByte(string(of), '/')+1:]) }
		return map[string]any{
			"payment_api_url": p.base, "account": id(p.credentials.Also[0]), "secret": p.credentials.Shared["payment_api"],
			"merchant_api_url": p.base + "/merchant/v1", "merchant_id": id(p.credentials.Principal), "merchant_secret": p.credentials.Shared["merchant_api"],
		}
	},
}

// settings are what a demo merchant has set up in a dialect, beside its
// credentials: where its notifications go, and accounts of its own. The IBANs
// are examples of the ISO 13616 register.
var settings = map[string]func(base, inbox string) map[string]string{
	"truelayer": func(base, inbox string) map[string]string {
		return map[string]string{
			"truelayer.webhook_uri": inbox, "truelayer.jku": base + "/.well-known/jwks",
			"truelayer.iban.GBP": "GB33BUKB20201555555555", "truelayer.iban.EUR": "FI2112345600000785",
			"truelayer.business_iban.GBP": "GB33BUKB20201555555555", "truelayer.business_iban.EUR": "FI2112345600000785",
		}
	},
}

// configured are a demo merchant's settings in all dialects.
func (s *Sandbox) configured(m remit.MerchantID) map[string]string {
	all := map[string]string{}
	for _, d := range s.o.Dialects {
		if of, ok := settings[d.Name()]; ok {
			maps.Copy(all, of(s.base, s.inboxURL(m, d.Name())))
		}
	}
	return all
}

// description is what sandbox.json says.
func (s *Sandbox) description() map[string]any {
	all := map[string]any{
		"base_url": s.base, "console_url": s.base + consolePath, "control_url": s.base + controlPath, "inbox_url": s.base + inboxPath,
	}
	var others []map[string]any
	for i, m := range merchants {
		one := map[string]any{"merchant": m}
		for _, d := range s.o.Dialects {
			one[d.Name()] = s.section(m, d.Name())
		}
		if i == 0 {
			maps.Copy(all, one)
		} else {
			others = append(others, one)
		}
	}
	all["others"] = others
	return all
}

func (s *Sandbox) section(m remit.MerchantID, in string) map[string]any {
	c, _ := s.home.credentials(m, in)
	var accounts map[money.Currency]string
	if a, ok := s.node.Dialects[in].(dialect.Accountant); ok {
		accounts = a.AccountIDs(s.node.RequestKey(in), m)
	}
	return sections[in](place{
		base: s.base, accounts: accounts, merchant: m, credentials: c, server: s.home.path(serverKeyFile(in)),
		private: func(name string) string { return s.home.path(keyFile(m, in, name, "private")) },
		public:  func(name string) string { return s.home.path(keyFile(m, in, name, "public")) },
	})
}

// described tells whether every dialect has a section.
func described(all []dialect.Dialect) error {
	for _, d := range all {
		if _, ok := sections[d.Name()]; !ok {
			return fmt.Errorf("sandbox: dialect %s has no section in sandbox.json", d.Name())
		}
	}
	return nil
}

//go:embed refund.sh
var refundScript string

// refundFile is a script in the folder that makes one refund and shows what
// becomes of it, with nothing but a shell, curl and openssl.
const refundFile = "refund.sh"

// Greeting tells people where everything is, and what to paste first.
func (s *Sandbox) Greeting() string {
	clock := "runs with real time; POST /_sandbox/clock/advance moves it forward"
	if s.home.frozen() {
		clock = "stands still; POST /_sandbox/clock/advance moves it forward"
	}
	return fmt.Sprintf(`Remit's sandbox is ready. Nothing here is real money.

  API       %s
  console   %s
  control   %s
  inbox     %s
  folder    %s
  settings  %s
  merchants acme and globex
  clock     %s

One refund to paste:

  sh %s
`, s.base, s.base+consolePath, s.base+controlPath, s.base+inboxPath, s.home.dir, s.home.path(announcement), clock, s.home.path(refundFile))
}
