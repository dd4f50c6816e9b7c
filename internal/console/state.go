package console

import (
	"encoding/json"
	"slices"
	"strings"

	"remit"
)

// condition is a state into which the sandbox can put its merchant: a control
// call, whose body is Before, the form's value as As says, and After.
type condition struct {
	Name, Label   string
	As            string // how the value is written; "" takes none
	Hint          string // what the value is
	Before, After string
}

// How a value is written in a body. The browser writes it in the same way, in
// the call beside the form.
const (
	asText = "text" // as a text
	asList = "list" // as a list of texts: commas part them
	asPair = "pair" // name=value, as a member
)

// conditions are all of them, by what they are about.
var conditions = []struct {
	About string
	List  []condition
}{
	{"Addresses", []condition{
		{"addresses", "Only these addresses may ask", asList, "Addresses or ranges, with commas: 192.0.2.1, 198.51.100.0/24", `{"ip_allow":`, `}`},
		{"any_address", "Every address may ask", "", "", `{"ip_allow":null}`, ``},
	}},
	{"Functions", []condition{
		{"forbid", "It may not call a function", asText, "The provider's name of the function.", `{"functions":{`, `:false}}`},
		{"allow", "It may call a function", asText, "The provider's name of the function.", `{"functions":{`, `:true}}`},
	}},
	{"End users", []condition{
		{"end_users", "These end users are blocked", asList, "The merchant's own ids of them, with commas.", `{"end_users_blocked":`, `}`},
		{"no_end_user", "No end user is blocked", "", "", `{"end_users_blocked":[]}`, ``},
	}},
	{"Its public keys", []condition{
		{"withdraw", "Its public keys are withdrawn", "", "", `{"public_key":null}`, ``},
		{"restore", "Its first public keys are back", "", "", `{"public_key":"restore"}`, ``},
	}},
	{"Notifications", []condition{
		{"confirmed_on", "It is told of confirmed payouts", "", "", `{"switches":{"payout_confirmation":true}}`, ``},
		{"confirmed_off", "It is not told of confirmed payouts", "", "", `{"switches":{"payout_confirmation":false}}`, ``},
		{"failed_on", "It is told of failed payouts", "", "", `{"switches":{"payout_failed":true}}`, ``},
		{"failed_off", "It is not told of failed payouts", "", "", `{"switches":{"payout_failed":false}}`, ``},
	}},
	{"Equal refunds within minutes", []condition{
		{"shield_off", "They pass", "", "", `{"shield":"off"}`, ``},
		{"shield_warn", "They pass with a warning", "", "", `{"shield":"warn"}`, ``},
		{"shield_hold", "They are held for a person", "", "", `{"shield":"hold"}`, ``},
		{"shield_reject", "They are refused", "", "", `{"shield":"reject"}`, ``},
	}},
	{"Settings of a dialect", []condition{
		{"config", "One setting", asPair, "dialect.name=value, as the dialect's page lists them.", `{"config":{`, `}}`},
	}},
}

// asking names the conditions that take a value, as the page's forms do.
func asking() string {
	var names []string
	for _, group := range conditions {
		for _, x := range group.List {
			if x.As != "" {
				names = append(names, x.Name)
			}
		}
	}
	return strings.Join(names, " ")
}

// conditionOf finds one by its name.
func conditionOf(name string) (condition, error) {
	for _, group := range conditions {
		if i := slices.IndexFunc(group.List, func(x condition) bool { return x.Name == name }); i >= 0 {
			return group.List[i], nil
		}
	}
	return condition{}, remit.Errorf(remit.Invalid, "", "there is no state %q to be put into", name)
}

// body is the body of the call.
func (x condition) body(value string) (json.RawMessage, error) {
	text, err := x.written(strings.TrimSpace(value))
	return json.RawMessage(x.Before + text + x.After), err
}

func (x condition) written(value string) (string, error) {
	switch {
	case x.As == "" && value != "":
		return "", remit.Errorf(remit.Invalid, "", "%q takes no value", x.Label)
	case x.As != "" && value == "":
		return "", remit.Errorf(remit.Invalid, "", "%q needs a value", x.Label)
	}
	switch x.As {
	case asText:
		return jsonText(value)
	case asList:
		return jsonText(listed(value, ","))
	case asPair:
		name, text, ok := strings.Cut(value, "=")
		if !ok {
			return "", remit.Errorf(remit.Invalid, "", "write it as name=value")
		}
		member, err := jsonText(map[string]string{name: text})
		return strings.TrimSuffix(strings.TrimPrefix(member, "{"), "}"), err
	}
	return "", nil
}

// jsonText is a value as JSON.
func jsonText(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// listed parts a text, without what is blank.
func listed(text, by string) []string {
	list := []string{}
	for part := range strings.SplitSeq(text, by) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// putInto puts the merchant into a state.
func (c *Console) putInto(v *visit) (outcome, error) {
	x, err := conditionOf(v.PostFormValue("set"))
	if err != nil {
		return outcome{}, err
	}
	body, err := x.body(v.PostFormValue("value"))
	if err != nil {
		return outcome{}, err
	}
	return v.post("merchants/"+string(v.merchant.ID), body, "The merchant is as you set it.")
}
