package trustly

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"remit"
	"remit/dialect"
	"remit/money"
)

// The documented errors of a method, with their names as the seeds print them.
var (
	refundErrors = map[string]string{
		"602": "ERROR_FUNCTION_ACCESS_DENIED", "603": "ERROR_INSUFFICIENT_FUNDS", "604": "ERROR_DUPLICATE_BANK_WITHDRAWAL",
		"607": "ERROR_HOST_ACCESS_DENIED", "615": "ERROR_INVALID_AMOUNT", "616": "ERROR_INVALID_CREDENTIALS",
		"620": "ERROR_UNKNOWN", "622": "ERROR_INVALID_CURRENCY_CODE", "623": "ERROR_INVALID_PARAMETERS",
		"636": "ERROR_UNABLE_TO_VERIFY_RSA_SIGNATURE", "639": "ERROR_NO_PUBLIC_KEY", "655": "ERROR_INVALID_ORDER_ID",
		"670": "ERROR_REFUND_EXCEED_DEPOSIT_VOLUME", "671": "ERROR_DEPOSIT_NOT_CAPTURED_OR_SETTLED",
		"672": "ERROR_MULTIPLE_REFUND_ATTEMPT", "688": "ERROR_DUPLICATE_UUID", "716": "ERROR_REFUND_PENDING",
		"718": "ERROR_DISABLED_USER",
	}
	payoutErrors = map[string]string{
		"602": "ERROR_FUNCTION_ACCESS_DENIED", "607": "ERROR_HOST_ACCESS_DENIED", "615": "ERROR_INVALID_AMOUNT",
		"616": "ERROR_INVALID_CREDENTIALS", "620": "ERROR_UNKNOWN", "623": "ERROR_INVALID_PARAMETERS",
		"624": "ERROR_INVALID_BANK_ACCOUNT_NUMBER", "636": "ERROR_UNABLE_TO_VERIFY_RSA_SIGNATURE",
		"637": "ERROR_DUPLICATE_MESSAGE_ID", "638": "ERROR_ENDUSER_IS_BLOCKED", "639": "ERROR_NO_PUBLIC_KEY",
		"688": "ERROR_DUPLICATE_UUID", "696": "ERROR_ENDUSERID_IS_NULL", "697": "ERROR_MESSAGEID_IS_NULL",
		"704": "ERROR_MALFORMED_MESSAGEID", "705": "ERROR_MALFORMED_NOTIFICATIONURL", "706": "ERROR_MALFORMED_ENDUSERID",
		"717": "ERROR_INVALID_ORDER_ATTRIBUTE", "718": "ERROR_DISABLED_USER", "734": "ERROR_NOT_SECURE_NOTIFICATIONURL",
	}
)

// TestEveryDocumentedErrorIsProvoked looks for each of the eighteen errors of
// Refund and the twenty of AccountPayout in the recorded answers to that
// method; and for words for every code of ours in the table.
func TestEveryDocumentedErrorIsProvoked(t *testing.T) {
	for f := range problems {
		if !slices.Contains(remit.Codes(), f.code) {
			t.Errorf("%v stands for a code that is none", f)
		}
	}
	for _, code := range remit.Codes() {
		if _, ok := problems[fault{code, ""}]; !ok {
			t.Errorf("the code %s alone has no words", code)
		}
	}
	recorded := recordedBodies(t, "response")
	for method, errors := range map[string]map[string]string{"Refund": refundErrors, "AccountPayout": payoutErrors} {
		for code, name := range errors {
			want := `"method":"` + method + `","data":{"code":` + code + `,"message":"` + name + `"}`
			if !slices.ContainsFunc(recorded, func(b string) bool { return strings.Contains(b, want) }) {
				t.Errorf("no conversation shows %s %s of %s", code, name, method)
			}
		}
	}
}

// recordedBodies are the bodies of all recorded sections of a name.
func recordedBodies(t *testing.T, section string) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(text).Files {
			if _, body, ok := strings.Cut(string(f.Data), "\n\n"); ok && f.Name == section {
				all = append(all, strings.TrimSpace(body))
			}
		}
	}
	return all
}

// TestRecordedSignaturesHold verifies every recorded answer and notification
// with the server's public key, by the standard library alone: the signed
// text is put together from a generic reading of the body.
func TestRecordedSignaturesHold(t *testing.T) {
	k := readKeys(t)
	type signedPart struct {
		Signature string
		UUID      string
		Method    string
		Data      any
	}
	verified := 0
	for _, body := range slices.Concat(recordedBodies(t, "response"), recordedBodies(t, "notice")) {
		if !strings.HasPrefix(body, "{") {
			continue // a 405
		}
		var m struct {
			Version string
			Method  string
			Params  *signedPart
			Result  *signedPart
			Error   *struct{ Error signedPart }
		}
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		part := m.Result
		switch {
		case m.Params != nil:
			part = m.Params
			part.Method = m.Method
		case m.Error != nil:
			part = &m.Error.Error
		}
		text := part.Method + part.UUID + flat(part.Data)
		hash, encoded := crypto.SHA1, part.Signature
		for prefix, h := range map[string]crypto.Hash{"alg=RS256;": crypto.SHA256, "alg=RS384;": crypto.SHA384, "alg=RS512;": crypto.SHA512} {
			if rest, ok := strings.CutPrefix(encoded, prefix); ok {
				hash, encoded = h, rest
			}
		}
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		h := hash.New()
		h.Write([]byte(text))
		if err := rsa.VerifyPKCS1v15(k.server.Public().(*rsa.PublicKey), hash, h.Sum(nil), raw); err != nil || m.Version != "1.1" {
			t.Errorf("version %q, %v over %s:\n%s", m.Version, err, text, body)
		}
		verified++
	}
	if verified < 100 {
		t.Errorf("only %d signatures were found", verified)
	}
}

// flat is the text of generic JSON that signatures are made over.
func flat(v any) (text string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			text += name + flat(v[name])
		}
	case []any:
		for _, element := range v {
			text += flat(element)
		}
	default:
		text = fmt.Sprint(v)
	}
	return text
}

// TestOnlyTheRightSignatureHolds alters, one by one, everything that a
// signature depends on.
func TestOnlyTheRightSignatureHolds(t *testing.T) {
	k := readKeys(t)
	key := k.merchant.Public().(*rsa.PublicKey)
	data, err := parse([]byte(`{"B":"2","a":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	other, err := parse([]byte(`{"B":"2","a":"10"}`))
	if err != nil {
		t.Fatal(err)
	}
	const method, uuid = "Refund", "8bedfbd4-8181-38e1-f0be-f360171aefc6"
	for _, a := range algorithms {
		good, err := a.sign(k.merchant, message(method, uuid, data, bytewise))
		if err != nil {
			t.Fatal(err)
		}
		bare := strings.TrimPrefix(good, a.prefix)
		pss, err := rsa.SignPSS(rand.Reader, k.merchant.(*rsa.PrivateKey), a.hash, a.sum(message(method, uuid, data, bytewise)), nil)
		if err != nil {
			t.Fatal(err)
		}
		strange, err := a.sign(k.server, message(method, uuid, data, bytewise))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what, signature, method, uuid string
			data                          value
			want                          bool
		}{
			{"as it should be", good, method, uuid, data, true},
			{"another method", good, "Deposit", uuid, data, false},
			{"another UUID", good, method, strings.ToUpper(uuid), data, false},
			{"other data", good, method, uuid, other, false},
			{"another key", strange, method, uuid, data, false},
			{"another padding", a.prefix + base64.StdEncoding.EncodeToString(pss), method, uuid, data, false},
			{"an algorithm that it is not", "alg=RS224;" + bare, method, uuid, data, false},
			{"an algorithm in small letters", "alg=rs256;" + bare, method, uuid, data, false},
			{"no signature", a.prefix, method, uuid, data, false},
			{"not base64", a.prefix + "*", method, uuid, data, false},
		} {
			if got := verify(key, c.signature, c.method, c.uuid, c.data); got != c.want {
				t.Errorf("%s, %s: %t", a.name, c.what, got)
			}
		}
	}
}

// TestAShortKeyIsNoKey has a merchant register a key that anybody could break
// one day, and one of another kind.
func TestAShortKeyIsNoKey(t *testing.T) {
	short := &rsa.PublicKey{N: readKeys(t).merchant.Public().(*rsa.PublicKey).N, E: 65537}
	if usable(map[string]crypto.PublicKey{keyName: short}) == nil {
		t.Error("a key of 2048 bits is refused")
	}
	short.N = short.N.Rsh(short.N, 1)
	if usable(map[string]crypto.PublicKey{keyName: short}) != nil {
		t.Error("a key of 2047 bits is believed")
	}
	if usable(map[string]crypto.PublicKey{keyName: "no key"}) != nil {
		t.Error("something that is no RSA key is believed")
	}
}

// TestWhatCannotBeReadIsSaidSo tries what a text file cannot hold: a body
// above the limit, bytes that are not UTF-8, and too many members.
func TestWhatCannotBeReadIsSaidSo(t *testing.T) {
	k := readKeys(t)
	var many strings.Builder
	for i := range membersMax + 1 {
		fmt.Fprintf(&many, `"n%d":1,`, i)
	}
	correct := sample()
	for _, c := range []struct {
		what string
		r    dialect.Request
	}{
		{"too large", dialect.Request{Method: "POST", Body: correct.Body, TooLarge: true}},
		{"not UTF-8", dialect.Request{Method: "POST", Body: bytes.Replace(correct.Body, []byte("30.00"), []byte("\xff"), 1)}},
		{"too many members", dialect.Request{Method: "POST", Body: []byte("{" + many.String() + `"last":1}`)}},
	} {
		call := Dialect{}.Read(c.r)
		_, err := call.Claim()
		res := call.Encode(k, remit.Result{}, err)
		if !errors.Is(err, remit.Invalid) || res.Header.Get("Connection") != "close" || !bytes.Contains(res.Body, []byte(`"code":623`)) {
			t.Errorf("%s: %v, %v, %s", c.what, err, res.Header, res.Body)
		}
	}
}

type noKeys struct{}

func (noKeys) Key(int64) (crypto.Signer, error) { return nil, errors.New("the vault is locked") }

// TestWithoutASignatureNothingIsSaid takes the key away between the decision
// and the answer: the client must be told to ask again, and not that all went
// well or badly.
func TestWithoutASignatureNothingIsSaid(t *testing.T) {
	k := readKeys(t)
	r := sample()
	k.prove(t, &r)
	for _, err := range []error{nil, remit.Exceeds} {
		res := Dialect{}.Read(r).Encode(noKeys{}, remit.Result{}, err)
		if want := `{"version":"1.1","error":{"name":"JSONRPCError","code":620,"message":"ERROR_UNKNOWN"}}`; res.Status != 500 || string(res.Body) != want {
			t.Errorf("%v: %d %s", err, res.Status, res.Body)
		}
	}
	if _, err := (Dialect{}).Seal(remit.Notice{Kind: noticeCredit, Content: "{}"}, noKeys{}, dialect.Caller{}, time.Time{}); err == nil {
		t.Error("a notification is sealed without a key")
	}
	if _, err := (Dialect{}).Seal(remit.Notice{Kind: noticeCredit, Content: "{"}, k, dialect.Caller{}, time.Time{}); err == nil {
		t.Error("a notification that was kept badly is sealed")
	}
}

// TestAnAnswerKeepsItsKey encodes an answer under the version that signed it
// first.
func TestAnAnswerKeepsItsKey(t *testing.T) {
	k := readKeys(t)
	r := sample()
	k.prove(t, &r)
	for _, refusal := range []*remit.Error{nil, remit.Errorf(remit.Exceeds, "", "too much")} {
		res := Dialect{}.Read(r).Encode(k, remit.Result{Refusal: refusal, KeyVersion: 2}, nil) // there is none of version 2
		if res.Status != 500 {
			t.Errorf("version 2 was not asked for: %s", res.Body)
		}
	}
	if _, err := (Dialect{}).Seal(remit.Notice{Kind: noticeCredit, Content: "{}", KeyVersion: 2}, k, dialect.Caller{}, time.Time{}); err == nil {
		t.Error("version 2 was not asked for by a notification")
	}
}

// TestAStrangerLearnsNothing compares the answers to an unknown username, to
// a wrong password, and to somebody unknown whose password is right.
func TestAStrangerLearnsNothing(t *testing.T) {
	k := readKeys(t)
	r := sample()
	k.prove(t, &r)
	yes := func(string, string) bool { return true }
	var first []byte
	for _, who := range []dialect.Caller{{}, {Secret: yes}, {Known: true, Secret: func(string, string) bool { return false }}} {
		call := Dialect{}.Read(r)
		res := call.Encode(k, remit.Result{}, call.Verify(who))
		if first == nil {
			first = res.Body
		}
		if !bytes.Equal(first, res.Body) || !bytes.Contains(res.Body, []byte(`"code":616`)) {
			t.Errorf("%t: %s", who.Known, res.Body)
		}
	}
}

// TestTimesAreInUTCWithoutZerosAtTheEnd writes times of other places, and of
// a whole second. docs/spec/trustly-eu.md#53-types.
func TestTimesAreInUTCWithoutZerosAtTheEnd(t *testing.T) {
	east := time.FixedZone("east", 3600)
	for at, want := range map[time.Time]string{
		time.Date(2015, 3, 12, 16, 14, 18, 616710000, east): "2015-03-12 15:14:18.61671+00",
		time.Date(2015, 3, 12, 0, 30, 0, 0, east):           "2015-03-11 23:30:00+00",
	} {
		n := told{}.notice(noticeCredit, dialect.Occurrence{
			Event:  remit.Event{At: at},
			Number: func() string { return "1" }, UUID: func() string { return "2" },
		})
		if !strings.Contains(n.Content, `"timestamp":"`+want+`"`) {
			t.Errorf("%s is written in %s, want %s", at, n.Content, want)
		}
	}
}

// TestRetriesGrowAndEnd adds up all waits.
func TestRetriesGrowAndEnd(t *testing.T) {
	var total, before time.Duration
	tries := int64(0)
	for {
		wait, more := Dialect{}.Retry(remit.Notice{}, tries)
		if !more {
			break
		}
		if wait < before {
			t.Errorf("after %d tries the wait is %s, and was %s", tries, wait, before)
		}
		total, before = total+wait, wait
		tries++
	}
	if total != retryTotal {
		t.Errorf("given up after %s, want %s", total, retryTotal)
	}
	if first, _ := (Dialect{}).Retry(remit.Notice{}, 1); first != 10*time.Second {
		t.Errorf("the first wait is %s", first)
	}
}

// TestIssuedCredentialsWork signs with what Issue hands out, and has its
// public half verify.
func TestIssuedCredentialsWork(t *testing.T) {
	c, err := Dialect{}.Issue(rand.Reader, "acme")
	if err != nil {
		t.Fatal(err)
	}
	key, err := privateKey(c.Private[keyName])
	if err != nil {
		t.Fatal(err)
	}
	if c.Principal != "acme" || len(c.Secrets[secretName]) < 32 || usable(map[string]crypto.PublicKey{keyName: key.Public()}) == nil {
		t.Errorf("issued %q, a password of %d characters, a key of %d bits", c.Principal, len(c.Secrets[secretName]), key.N.BitLen())
	}
	text, err := Dialect{}.NewServerKey(rand.Reader)
	if err != nil || !strings.HasPrefix(text, "-----BEGIN PRIVATE KEY-----") {
		t.Errorf("%v: %.40s", err, text)
	}
}

// TestAMerchantDoesNotBelieveAStranger has a notification signed by somebody
// else arrive at the built-in merchant.
func TestAMerchantDoesNotBelieveAStranger(t *testing.T) {
	b, k := bench(t), readKeys(t)
	n := remit.Notice{Kind: noticeCredit, Content: `{"uuid":"f1b77aac-516d-4b89-a125-c005f4c020f0","data":{"amount":"20.00"}}`}
	out, err := Dialect{}.Seal(n, k, dialect.Caller{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	arrived := dialect.Request{Method: out.Method, Header: out.Header, Body: out.Body}
	if _, problem := (Dialect{}).Receive(arrived, b.Credentials, k.server.Public()); problem != "" {
		t.Errorf("ours: %s", problem)
	}
	if reply, problem := (Dialect{}).Receive(arrived, b.Credentials, k.merchant.Public()); problem == "" || reply.Status != 200 {
		t.Errorf("a stranger's: status %d, problem %q", reply.Status, problem)
	}
	arrived.Body = []byte("{")
	if reply, problem := (Dialect{}).Receive(arrived, b.Credentials, k.server.Public()); problem == "" || reply.Status != 500 {
		t.Errorf("an unreadable one: status %d, problem %q", reply.Status, problem)
	}
}

// TestFailedAnswersADebit shows the one notification to which FAILED is an
// answer. docs/spec/trustly-eu.md#55-retry-duplicates-order.
func TestFailedAnswersADebit(t *testing.T) {
	b, k := bench(t), readKeys(t)
	const uuid = "f1b77aac-516d-4b89-a125-c005f4c020f0"
	who := dialect.Caller{PublicKeys: map[string]crypto.PublicKey{keyName: k.merchant.Public()}}
	for kind, want := range map[string]bool{noticeDebit: true, noticeCredit: false} {
		r := dialect.Request{Body: []byte(`{"result":{"signature":"{signed unmessaged}","uuid":"` + uuid + `","method":"` + kind +
			`","data":{"status":"FAILED","message":"no funds"}},"version":"1.1"}`)}
		b.Prove(t, &r)
		err := Dialect{}.Acknowledged(remit.Notice{Kind: kind, Content: `{"uuid":"` + uuid + `","data":{}}`}, dialect.Reply{Status: 500, Body: r.Body}, who)
		if (err == nil) != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestNoticesByEvent goes through every event of a disbursement, in both
// kinds, and lists what is owed.
func TestNoticesByEvent(t *testing.T) {
	all := map[string]bool{remit.SwitchPayoutConfirmation: true, remit.SwitchPayoutFailed: true}
	for _, c := range []struct {
		event  remit.State
		was    remit.State
		reason remit.Reason
		on     map[string]bool
		want   string
	}{
		{remit.Waiting, "", "", all, ""},
		{remit.Accepted, remit.Waiting, "", all, ""},
		{remit.Sent, remit.Accepted, "", all, ""},
		{remit.Settled, remit.Sent, "", nil, ""},
		{remit.Settled, remit.Sent, "", all, "payoutconfirmation"},
		{remit.Failed, remit.Sent, remit.ReasonRefusedByBank, nil, "credit"},
		{remit.Failed, remit.Sent, remit.ReasonRefusedByBank, all, "payoutfailed credit"},
		{remit.Failed, remit.Accepted, remit.ReasonNoBeneficiary, nil, "credit"},
		{remit.Failed, remit.Waiting, remit.ReasonShort, nil, "credit"},
		{remit.Failed, remit.Waiting, remit.ReasonPaymentGone, all, ""},
		{remit.Returned, remit.Settled, remit.ReasonAccountClosed, all, "payoutfailed credit"},
		{remit.Canceled, remit.Accepted, remit.ReasonAborted, all, "credit"},
		{remit.KindStuck, remit.Sent, "", all, ""},
		{remit.KindUnknown, remit.Sent, "", all, ""},
	} {
		for _, kind := range []remit.Kind{remit.KindRefund, remit.KindPayout} {
			d := remit.Disbursement{ID: "d1", Kind: kind, NotificationURL: "https://merchant.example/", Amount: money.Amount{Minor: 100, Currency: "EUR"}, Reason: c.reason}
			var got []string
			for _, n := range (Dialect{}).Notices(dialect.Occurrence{
				Event: remit.Event{Subject: "d1", Kind: string(c.event)}, Was: c.was, Disbursement: &d,
				Merchant: remit.Merchant{Settings: remit.Settings{Switches: c.on}},
				Payment:  &remit.Payment{NotificationURL: "https://merchant.example/"},
				Number:   func() string { return "1" }, UUID: func() string { return "2" },
			}) {
				got = append(got, n.Kind)
			}
			want := c.want
			if kind == remit.KindPayout && c.event == remit.Canceled {
				want = "cancel"
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("%s %s from %s for %q: %q, want %q", kind, c.event, c.was, c.reason, s, want)
			}
		}
	}
}
