package trustly

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestDocumentedTextsAreWhatIsSigned takes every published text to sign
// (docs/spec/trustly-eu.md#36-worked-vectors) and compares it with what we
// make of the message that it belongs to.
func TestDocumentedTextsAreWhatIsSigned(t *testing.T) {
	for _, v := range []struct{ name, method, uuid, data, want string }{
		{"V1 the documentation's deposit", "Deposit", "258a2184-2842-b485-25ca-293525152425",
			`{"Username":"merchant_username","Password":"merchant_password","NotificationURL":"URL_to_your_notification_service",
			"EndUserID":"12345","MessageID":"your_unique_deposit_id","Attributes":{"Locale":"sv_SE","Currency":"SEK",
			"IP":"123.123.123.123","MobilePhone":"+46709876543","Firstname":"John","Lastname":"Doe",
			"NationalIdentificationNumber":"790131-1234"}}`,
			"Deposit258a2184-2842-b485-25ca-293525152425AttributesCurrencySEKFirstnameJohnIP123.123.123.123LastnameDoeLocalesv_SE" +
				"MobilePhone+46709876543NationalIdentificationNumber790131-1234EndUserID12345MessageIDyour_unique_deposit_id" +
				"NotificationURLURL_to_your_notification_servicePasswordmerchant_passwordUsernamemerchant_username"},
		{"V2 the .NET signer's deposit", "Deposit", "258a2184-2842-b485-25ca-293525152425",
			`{"Username":"team_ceres","Password":"a6e404c9-7ca8-1204-863d-5642e27c2747","NotificationURL":"localhost:1000",
			"EndUserID":"127.0.0.1","MessageID":"82bdbc09-7605-4265-b416-1e9549397edd","Attributes":{"Amount":"100.00",
			"Currency":"SEK","Country":"SE","Firstname":"John","Lastname":"Doe"}}`,
			"Deposit258a2184-2842-b485-25ca-293525152425AttributesAmount100.00CountrySECurrencySEKFirstnameJohnLastnameDoe" +
				"EndUserID127.0.0.1MessageID82bdbc09-7605-4265-b416-1e9549397eddNotificationURLlocalhost:1000" +
				"Passworda6e404c9-7ca8-1204-863d-5642e27c2747Usernameteam_ceres"},
		{"V3 arrays", "", "", `{"MyKey":"MyValue","MyArray":["Element1","Element2",{"mykey2":"myvalue2"}]}`,
			"MyArrayElement1Element2mykey2myvalue2MyKeyMyValue"},
		{"V3 depth and null", "", "", `{"nullvalue":null,"array":["012","013","011","014","abc","010","def"],
			"deep1":{"deep2":{"deep3":{"deep4":{"deep5":{}}}}},"arrayofarray1":[[[[[[9,5,1,10]]]]],["abc","foo","01"]]}`,
			"array012013011014abc010defarrayofarray195110abcfoo01deep1deep2deep3deep4deep5nullvalue"},
		{"V3 code points", "", "", `{"öäå":3,"äåö":2,"åöä":1}`, "äåö2åöä1öäå3"},
		{"V4 refund", "Refund", "1fb9bb58-6cf1-11e5-9d5e-0800279bcb51", `{"result":"1","orderid":"4034954614"}`,
			"Refund1fb9bb58-6cf1-11e5-9d5e-0800279bcb51orderid4034954614result1"},
		{"V4 account payout", "AccountPayout", "82cf5fac-6cf3-11e5-9d5e-0800279bcb51", `{"orderid":"3256646606","result":"1"}`,
			"AccountPayout82cf5fac-6cf3-11e5-9d5e-0800279bcb51orderid3256646606result1"},
		{"V4 register account", "RegisterAccount", "fc32a824-6cf1-11e5-9d5e-0800279bcb51",
			`{"clearinghouse":"SWEDEN","accountid":"1520389582","descriptor":"*865391","bank":"SEB"}`,
			"RegisterAccountfc32a824-6cf1-11e5-9d5e-0800279bcb51accountid1520389582bankSEBclearinghouseSWEDENdescriptor*865391"},
		{"V4 error", "Deposit", "ad4f3dbe-6c1d-11e5-9d5e-0800279bcb51", `{"code":616,"message":"ERROR_INVALID_CREDENTIALS"}`,
			"Depositad4f3dbe-6c1d-11e5-9d5e-0800279bcb51code616messageERROR_INVALID_CREDENTIALS"},
		{"V4 credit", "credit", "f1b77aac-516d-4b89-a125-c005f4c020f0",
			`{"amount":"20.00","currency":"SEK","messageid":"5001_655548","orderid":"3931155141","enduserid":"leecS",
			"notificationid":"3653956920","timestamp":"2015-03-12 15:14:18.61671+00"}`,
			"creditf1b77aac-516d-4b89-a125-c005f4c020f0amount20.00currencySEKenduseridleecSmessageid5001_655548" +
				"notificationid3653956920orderid3931155141timestamp2015-03-12 15:14:18.61671+00"},
		{"V5 reply to a notification", "account", "e76ffbe5-e0f9-4402-8689-f868ed2021f8", `{"status":"OK"}`,
			"accounte76ffbe5-e0f9-4402-8689-f868ed2021f8statusOK"},
		{"V6 cancel", "cancel", "258a2184-9021-b874-21ca-293425152415",
			`{"messageid":"98348932","orderid":"87654567","enduserid":"32123","notificationid":"4876513450",
			"timestamp":"2013-12-20 14:42:04.675645+01"}`,
			"cancel258a2184-9021-b874-21ca-293425152415enduserid32123messageid98348932notificationid4876513450orderid87654567" +
				"timestamp2013-12-20 14:42:04.675645+01"},
		{"V7 the seed's refund", "Refund", "8bedfbd4-8181-38e1-f0be-f360171aefc6",
			`{"Username":"merchant_username","Password":"merchant_password","OrderID":"1187741486","Amount":"30.00",
			"Currency":"EUR","Attributes":null}`,
			"Refund8bedfbd4-8181-38e1-f0be-f360171aefc6Amount30.00AttributesCurrencyEUROrderID1187741486" +
				"Passwordmerchant_passwordUsernamemerchant_username"},
		{"V7 the seed's payout", "AccountPayout", "258a2184-2842-b485-25ca-293525152425",
			`{"Username":"your_username","Password":"*","NotificationURL":"https://mynotifications.com/listener/f346212d",
			"AccountID":"1234567890","EndUserID":"123123","MessageID":"771463386074","Amount":"800.00","Currency":"EUR",
			"Attributes":{"ShopperStatement":"Trustly.com","SenderInformation":{"Partytype":"PERSON",
			"Address":"Street 1, 12345 Barcelona","CountryCode":"ES","Firstname":"Steve","Lastname":"Smith",
			"CustomerID":"123456789","DateOfBirth":"1990-03-31"}}}`,
			"AccountPayout258a2184-2842-b485-25ca-293525152425AccountID1234567890Amount800.00AttributesSenderInformation" +
				"AddressStreet 1, 12345 BarcelonaCountryCodeESCustomerID123456789DateOfBirth1990-03-31FirstnameSteveLastnameSmith" +
				"PartytypePERSONShopperStatementTrustly.comCurrencyEUREndUserID123123MessageID771463386074" +
				"NotificationURLhttps://mynotifications.com/listener/f346212dPassword*Usernameyour_username"},
		{"V7 balance", "Balance", "ebec9873-1a6d-aba5-364c-03efc0ed3e5a",
			`[{"currency":"DKK","balance":"80.64"},{"currency":"EUR","balance":"0.83"}]`,
			"Balanceebec9873-1a6d-aba5-364c-03efc0ed3e5abalance80.64currencyDKKbalance0.83currencyEUR"},
		{"numbers by their source text", "", "", `{"a":1.0,"b":1e2,"c":-0,"d":12345678901234567890}`, "a1.0b1e2c-0d12345678901234567890"},
		{"upper case before lower", "", "", `{"b":"1","B":"2","a":"3"}`, "B2a3b1"},
	} {
		t.Run(v.name, func(t *testing.T) {
			data, err := parse([]byte(v.data))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(message(v.method, v.uuid, data, bytewise)); got != v.want {
				t.Errorf("got  %s\nwant %s", got, v.want)
			}
		})
	}
}

// TestCaselessOrderIsThatOfTheOtherClients tries the pairs of real parameter
// names that the two families of clients order differently.
// docs/spec/trustly-eu.md#34-key-order-two-families.
func TestCaselessOrderIsThatOfTheOtherClients(t *testing.T) {
	for _, pair := range [][2]string{
		{"UnchangeableNationalIdentificationNumber", "URLTarget"},
		{"UnchangeableNationalIdentificationNumber", "URLScheme"},
		{"IntegrationModule", "IP"},
		{"PaymentDate", "PSPMerchant"},
		{"PaymentDate", "PSPMerchantURL"},
		{"orderid", "OrderID"}, // lower case first where only the case differs
	} {
		if caseless(pair[0], pair[1]) >= 0 {
			t.Errorf("%s does not come before %s", pair[0], pair[1])
		}
		if bytewise(pair[0], pair[1]) <= 0 {
			t.Errorf("the orders agree on %s and %s: the pair shows nothing", pair[0], pair[1])
		}
	}
}

// TestWhatIsWrittenReadsBackTheSame writes a value with every kind of JSON
// and every character that needs care, and has the standard library read it.
func TestWhatIsWrittenReadsBackTheSame(t *testing.T) {
	const source = `{"s":"a\"b\\c\u0001\n\u2028<é>","n":-1.50,"b":[true,false,null,[],{}]}`
	v, err := parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	written := appendJSON(nil, v)
	var got, want any
	if err := json.Unmarshal(written, &got); err != nil {
		t.Fatalf("%s: %v", written, err)
	}
	if err := json.Unmarshal([]byte(source), &want); err != nil {
		t.Fatal(err)
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("got  %s\nwant %s", g, w)
	}
	if strings.Contains(string(written), `\u003c`) {
		t.Errorf("HTML is escaped: %s", written)
	}
}
