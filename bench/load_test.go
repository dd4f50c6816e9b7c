package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestTheLoadReadsWhatItIsAnswered sends a thousand requests to a server that
// answers each with its own body: each arrives whole and once, each answer is
// looked at, over no more connections than there are callers.
func TestTheLoadReadsWhatItIsAnswered(t *testing.T) {
	const asked = 1000
	var mu sync.Mutex
	got, from, answered := map[string]int{}, map[string]bool{}, map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		got[r.URL.Path+r.Header.Get("N")+string(body)]++
		from[r.RemoteAddr] = true
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	}))
	defer s.Close()
	var requests [][]byte
	for i := range asked {
		requests = append(requests, post("/x", fmt.Sprintf("N: %d\r\n", i), []byte(strings.Repeat("x", i))))
	}
	address := strings.TrimPrefix(s.URL, "http://")
	err := ask(t.Context(), address, requests, func(status int, body []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		answered[string(body)]++
		return status == http.StatusAccepted
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range asked {
		body := strings.Repeat("x", i)
		if got[fmt.Sprint("/x", i, body)] != 1 || answered[body] != 1 {
			t.Errorf("request %d arrived %d times, and was answered %d times", i, got[fmt.Sprint("/x", i, body)], answered[body])
		}
	}
	if len(from) > callers {
		t.Errorf("%d connections", len(from))
	}
	err = ask(t.Context(), address, requests, func(_ int, body []byte) bool { return !bytes.Equal(body, []byte("xxx")) })
	if err == nil || !strings.Contains(err.Error(), "202 xxx") {
		t.Errorf("an answer that is none of success: %v", err)
	}
}
