package main

import (
	"encoding/json"
	"testing"
	"time"

	"remit"
	"remit/store"
)

// TestANotificationIsListedUnderTheIDThatReplayTakes compares what a program
// reads of a notification, its tries with it, and leaves out what only the
// dialect understands.
func TestANotificationIsListedUnderTheIDThatReplayTakes(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	got, err := json.Marshal(views([]store.Delivered{{
		Delivery: remit.Delivery{
			Merchant: "acme", ID: remit.WorkID{Seq: 17, N: 1}, Dialect: "trustly", Subject: "d1", State: remit.DeliveryDead, Created: at,
			Notice: remit.Notice{Kind: "credit", URL: "https://shop.example/n", Content: "sealed", KeyVersion: 2},
		},
		Log: []remit.Try{{N: 1, At: at, Took: 1500 * time.Millisecond, Status: 500, Problem: "no signed reply", Response: "oops"}},
	}}, viewDelivery))
	want := `[{"id":"17.1","dialect":"trustly","kind":"credit","subject":"d1","url":"https://shop.example/n","state":"dead",` +
		`"created":"2026-03-02T09:30:00Z","tries":[{"at":"2026-03-02T09:30:00Z","took_ms":1500,"status":500,"problem":"no signed reply","response":"oops"}]}]`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
	if got, err := json.Marshal(views(nil, viewDelivery)); err != nil || string(got) != "[]" {
		t.Errorf("none are %s, %v", got, err)
	}
}
