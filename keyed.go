package remit

import "time"

// KeyRef names one key that a merchant chose.
type KeyRef struct{ Scope, Key string }

// Keyed is what binds the answer to a command to a key.
type Keyed struct {
	Dialect  string
	Key      string        // the idempotency key; "" where the dialect has none
	Digest   string        // keyed hash of what was asked
	Form     string        // kept with the answer: how the dialect answers
	Remember time.Duration // how long the answer binds the key
	// RefusalsBind says that a refusal uses up the key too, and is answered
	// again as it was.
	RefusalsBind bool
	// Alone says that the second of two commands under one key is refused as
	// InFlight while the first is being decided, instead of waiting for it.
	Alone bool
}

func (k Keyed) ref() KeyRef { return KeyRef{k.Dialect, k.Key} }

func (k Keyed) refs() []KeyRef {
	if k.Key == "" {
		return nil
	}
	return []KeyRef{k.ref()}
}

// under has a command decided under its key: an earlier answer is given
// again, a new one is remembered.
func (k Keyed) under(h Head, f Facts, decide func() (Change, error)) (Change, error) {
	if f.Merchant.Settings.Disabled {
		return Change{}, Errorf(Forbidden, ReasonDisabled, "the merchant is disabled")
	}
	if a, ok := f.Answers[k.ref()]; ok && k.Key != "" && f.Now.Before(a.Expires) {
		return k.replay(a)
	}
	c, err := decide()
	if err == nil {
		answer := k.answer(h, f, nil, c.Result.subject())
		if k.Key != "" {
			c.Answers = append(c.Answers, answer)
		}
		c.Result.Form, c.Result.KeyVersion = answer.Form, answer.KeyVersion
		return c, nil
	}
	refusal := AsError(err)
	if k.Key == "" || !k.RefusalsBind || refusal.Code.Transient() {
		return Change{}, err
	}
	answer := k.answer(h, f, refusal, "")
	return Change{
		Merchant: f.Merchant,
		Answers:  []Answer{answer},
		Result:   Result{Refusal: refusal, Form: answer.Form, KeyVersion: answer.KeyVersion},
	}, nil
}

// replay answers a command under a key that was used before.
func (k Keyed) replay(a Answer) (Change, error) {
	if a.Digest != k.Digest {
		return Change{}, Errorf(KeyReused, "", "the key was used for another request")
	}
	res := Result{Replayed: true, Form: a.Form, KeyVersion: a.KeyVersion}
	if a.Code == "" {
		res.setSubject(a.Merchant, a.Subject)
		return Change{Result: res}, nil
	}
	code, ok := ParseCode(a.Code)
	if !ok {
		return Change{}, Errorf(Internal, "", "an answer with an unknown code was kept")
	}
	res.Refusal = &Error{Code: code, Reason: a.Reason, Field: a.Field, Detail: a.Detail}
	return Change{Result: res}, nil
}

func (k Keyed) answer(h Head, f Facts, refusal *Error, subject string) Answer {
	a := Answer{
		Merchant: h.Merchant, Scope: k.Dialect, Key: k.Key, Digest: k.Digest, Subject: subject,
		Form: k.Form, KeyVersion: f.KeyVersion(k.Dialect), Cause: h.ID, At: f.Now, Expires: f.Now.Add(k.Remember),
	}
	if refusal != nil {
		a.Code, a.Reason, a.Field, a.Detail = refusal.Code.String(), refusal.Reason, refusal.Field, refusal.Detail
	}
	return a
}

// SpendKey is a command that is refused whatever it is about: what was wrong was
// found before anything could be looked up, and the key is used up all the
// same.
type SpendKey struct {
	Head
	Keyed
	Err *Error
}

// Header is the command's head.
func (s SpendKey) Header() Head { return s.Head }

// Needs is what the decision looks at.
func (s SpendKey) Needs() Needs { return Needs{Keys: s.refs(), NoBooks: true} }

// Decide remembers the refusal under a key that is free. Under one that was used
// for anything else it refuses, and leaves that as it is.
func (s SpendKey) Decide(f Facts) (Change, error) {
	a, used := f.Answers[s.ref()]
	same := a.Digest == s.Digest && a.Code == s.Err.Code.String() && a.Reason == s.Err.Reason
	if used && f.Now.Before(a.Expires) && !same {
		return Change{}, s.Err
	}
	return s.under(s.Head, f, func() (Change, error) { return Change{}, s.Err })
}

// never is when a name that can be used once only is free again.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// orderRef is the key that a merchant's own name of an order uses up, in
// dialects in which it can be used once only.
func (k Keyed) orderRef(reference string) KeyRef { return KeyRef{k.Dialect + "/order", reference} }

// order takes a merchant's own name of an order, or refuses it if it was used
// before.
func (k Keyed) order(h Head, f Facts, reference, subject string) (Answer, error) {
	ref := k.orderRef(reference)
	if _, used := f.Answers[ref]; used {
		return Answer{}, Errorf(KeyReused, ReasonOrderReference, "the order's name was used before")
	}
	return Answer{
		Merchant: h.Merchant, Scope: ref.Scope, Key: ref.Key, Subject: subject, Cause: h.ID, At: f.Now, Expires: never,
	}, nil
}
