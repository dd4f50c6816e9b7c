package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"remit/dialect"
	"remit/internal/node"
	"remit/internal/requestlog"
	"remit/store"
)

// consoleRequests is how many requests the console's pages are opened over;
// each tenth was refused.
const consoleRequests = 100_000

// trace is the name of a request.
func trace(i int) string { return fmt.Sprintf("%016x", i) }

// stockRequests has the request log keep what asked for the refunds.
func stockRequests(ctx context.Context, n *node.Node, s store.Store) error {
	l := requestlog.New(requestlog.Options{Store: s, Vault: n.Vault, Dialects: n.Dialects, Real: time.Now, Log: slog.New(slog.DiscardHandler)})
	first := time.Now().Add(-consoleSpread).UTC().Truncate(time.Microsecond)
	header := http.Header{"Content-Type": {"application/json"}}
	for i := range consoleRequests {
		order := fmt.Sprint(1_000_000_000 + consolePayments - consoleRefunds + i)
		k := store.Request{Merchant: "acme", Verified: true, Dialect: "trustly", Operation: "refund", Status: http.StatusOK, Took: time.Millisecond}
		if i%10 == 0 {
			k.Stage, k.Code, k.Wire, k.Named = "decide", "exceeds", "670", order
		} else {
			k.Subject = fmt.Sprintf("d%019d", i)
		}
		body := fmt.Appendf(nil, `{"method":"Refund","version":"1.1","params":{"Signature":"%0344d","UUID":"258a2184-2842-b485-25ca-%012d","Data":{"Username":"acme",`+
			`"Password":"0123456789","OrderID":"%s","Amount":"1.00","Currency":"EUR"}}}`, i, i, order)
		l.Add(requestlog.Record{Kept: k, Request: dialect.Request{
			Method: http.MethodPost, Path: "/api/1", Header: header, Body: body, Trace: trace(i), At: first.Add(consoleSpread / consoleRequests * time.Duration(i)),
		}})
		if i%consoleBatch == 0 {
			l.Flush(ctx)
		}
	}
	l.Close()
	if lost := l.Lost(); lost != (requestlog.Lost{}) {
		return fmt.Errorf("the request log lost %+v", lost)
	}
	return nil
}
