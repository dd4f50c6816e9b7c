package webhook_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"remit/dialect"
	"remit/internal/webhook"
)

var post = dialect.Outgoing{Method: http.MethodPost, Body: []byte("{}")}

// listen serves a handler on this machine, and closes it with the test.
func listen(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func sender(t *testing.T, o webhook.Options) *webhook.Sender {
	t.Helper()
	s := webhook.New(o)
	t.Cleanup(s.Close)
	return s
}

// nobody fails the test if anybody calls.
func nobody(t *testing.T) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was called", r.Host) }
}

// The bytes of a call are the dialect's: method, query behind the URL's own,
// headers, body. Nothing is added but what HTTP needs.
func TestACallCarriesExactlyWhatTheDialectSays(t *testing.T) {
	url := listen(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "PUT" || r.URL.RawQuery != "a=1&b=%202" || r.URL.Path != "/x" || string(body) != "hello" {
			t.Errorf("got %s %s %q", r.Method, r.URL, body)
		}
		var names []string
		for name := range r.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		if got, want := strings.Join(names, " "), "Content-Length Content-Type Signature User-Agent"; got != want {
			t.Errorf("headers %s, want %s", got, want)
		}
		if got := r.Header.Values("Signature"); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("Signature: %q", got)
		}
		if got := r.UserAgent(); got != "Remit" {
			t.Errorf("User-Agent: %q", got)
		}
		w.Header().Set("X-Trace", "t")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thanks")
	})
	reply, _, err := sender(t, webhook.Options{AllowLoopback: true, UserAgent: "Remit"}).Send(t.Context(), url+"/x?a=1", dialect.Outgoing{
		Method: "PUT", Query: "b=%202", Body: []byte("hello"),
		Header: http.Header{"Content-Type": {"text/plain"}, "Signature": {"one", "two"}},
	})
	if err != nil || reply.Status != http.StatusAccepted || string(reply.Body) != "thanks" || reply.Header.Get("X-Trace") != "t" {
		t.Errorf("got %+v, %v", reply, err)
	}
}

// Addresses that are not public are refused however they are written; so are
// names that resolve to them. A listener that must not be called stands on
// this machine's address.
func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(listen(t, nobody(t)), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "0.0.0.0", "[::]",
		"169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
		"[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]",
		"[2002:7f00:1::]", "[2001:0:7f00:1::]", "[2001:db8::1]", "[::7f00:1]", "[ff02::1]",
	} {
		_, _, err := sender(t, webhook.Options{}).Send(t.Context(), "https://"+host+":"+port+"/", post)
		if !errors.Is(err, webhook.ErrAddress) {
			t.Errorf("%s: got %v, want ErrAddress", host, err)
		}
	}
}

// A name that resolves to a private address is refused, and one that resolves
// to a listed address is called; the resolver is a fake that knows one name.
func TestNamesAreCheckedAfterTheyAreResolved(t *testing.T) {
	for _, private := range []string{"127.0.0.1", "10.1.2.3", "169.254.169.254"} {
		o := webhook.Options{Resolver: resolver(netip.MustParseAddr(private))}
		_, _, err := sender(t, o).Send(t.Context(), "https://shop.example/", post)
		if !errors.Is(err, webhook.ErrAddress) {
			t.Errorf("a name of %s: got %v, want ErrAddress", private, err)
		}
	}
	var called atomic.Bool
	url := listen(t, func(http.ResponseWriter, *http.Request) { called.Store(true) })
	url = strings.Replace(url, "127.0.0.1", "shop.example", 1)
	o := webhook.Options{AllowLoopback: true, Resolver: resolver(netip.MustParseAddr("127.0.0.1"))}
	if _, _, err := sender(t, o).Send(t.Context(), url, post); err != nil || !called.Load() {
		t.Errorf("a listed address was not called: %v", err)
	}
}

// Production reaches a listed private address over https, and checks whose
// certificate it is.
func TestAListedAddressIsReachedOverHTTPS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	listed := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if reply, _, err := sender(t, webhook.Options{AllowPrefixes: listed, RootCAs: roots}).Send(t.Context(), s.URL, post); err != nil || reply.Status != 200 {
		t.Errorf("got %+v, %v", reply, err)
	}
	if _, _, err := sender(t, webhook.Options{AllowPrefixes: listed}).Send(t.Context(), s.URL, post); err == nil {
		t.Error("a certificate that nobody vouches for was believed")
	}
	other := []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32"), netip.MustParsePrefix("::/0")}
	if _, _, err := sender(t, webhook.Options{AllowPrefixes: other, RootCAs: roots}).Send(t.Context(), s.URL, post); !errors.Is(err, webhook.ErrAddress) {
		t.Errorf("not listed: got %v, want ErrAddress", err)
	}
}

// What the sandbox may do is loopback, and no further.
func TestTheSandboxReachesLoopbackAlone(t *testing.T) {
	for _, host := range []string{"10.0.0.1", "169.254.169.254", "[fd00::1]"} {
		_, _, err := sender(t, webhook.Options{AllowLoopback: true}).Send(t.Context(), "http://"+host+"/", post)
		if !errors.Is(err, webhook.ErrAddress) {
			t.Errorf("%s: got %v, want ErrAddress", host, err)
		}
	}
}

// URLs that are not plain https are refused before anything is resolved, and
// the error does not repeat them.
func TestURLsThatAreNotPlainHTTPSAreRefused(t *testing.T) {
	for _, url := range []string{
		"", "shop.example", "//shop.example/", "http://shop.example/", "ftp://shop.example/", "file:///etc/passwd", "https:",
		"https:///path", "https://:443/", "https://user:secret@shop.example/", "https://user@shop.example/",
		"https:shop.example", "https://shop.example:secret/", "https://shop.example/%zz\x7f", "gopher://shop.example/",
	} {
		_, _, err := sender(t, webhook.Options{}).Send(t.Context(), url, post)
		if !errors.Is(err, webhook.ErrURL) {
			t.Errorf("%q: got %v, want ErrURL", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells a secret: %v", url, err)
		}
	}
}

// A redirect is the reply: nobody goes where it points to.
func TestRedirectsAreNotFollowed(t *testing.T) {
	inside := listen(t, nobody(t))
	url := listen(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside, http.StatusTemporaryRedirect)
	})
	reply, _, err := sender(t, webhook.Options{AllowLoopback: true}).Send(t.Context(), url, post)
	if err != nil || reply.Status != http.StatusTemporaryRedirect || reply.Header.Get("Location") != inside {
		t.Errorf("got %+v, %v", reply, err)
	}
}

// A proxy that the environment names is not asked.
func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	proxy := listen(t, nobody(t))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy)
	}
	o := webhook.Options{AllowLoopback: true, Resolver: resolver(netip.MustParseAddr("10.0.0.1"))}
	if _, _, err := sender(t, o).Send(t.Context(), "http://shop.example/", post); !errors.Is(err, webhook.ErrAddress) {
		t.Errorf("got %v, want ErrAddress", err)
	}
}

// Of a body without end the beginning is kept, and the call ends; headers
// without end are an error.
func TestRepliesAreBounded(t *testing.T) {
	url := listen(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	s := sender(t, webhook.Options{AllowLoopback: true, ReplyBytesMax: 5000, Timeout: time.Minute})
	if reply, _, err := s.Send(t.Context(), url, post); err != nil || len(reply.Body) != 5000 {
		t.Errorf("got %d bytes, %v, want the first 5000", len(reply.Body), err)
	}
	url = listen(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	if _, _, err := s.Send(t.Context(), url, post); err == nil {
		t.Error("a header of a mebibyte was read")
	}
}

// A host that says nothing, or stops in the middle of its body, is left when
// the time is over.
func TestAHostThatHangsIsLeft(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"halfway": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		const short = 50 * time.Millisecond
		hasty := post
		hasty.Timeout = short // a dialect's own, which counts before the sender's
		for _, x := range []struct {
			sender time.Duration
			out    dialect.Outgoing
		}{{short, post}, {time.Minute, hasty}} {
			s := sender(t, webhook.Options{AllowLoopback: true, Timeout: x.sender})
			_, took, err := s.Send(t.Context(), listen(t, drained(h)), x.out)
			if !errors.Is(err, context.DeadlineExceeded) || took < short {
				t.Errorf("%s: got %v after %s, want the deadline", name, err, took)
			}
		}
	}
}

// drained reads the request, so that the server notices when its caller goes.
func drained(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h(w, r)
	}
}

// While a host hangs with all the calls that it may have, more of them are
// refused, and another host is called as if nothing were. Each call that ends
// makes room for one more, though another hangs on.
func TestASlowHostDoesNotStallOthers(t *testing.T) {
	const hostCalls = 8
	let, entered, ended := make(chan struct{}), make(chan struct{}, 2*hostCalls), make(chan error)
	slow := listen(t, func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-let })
	quick := listen(t, func(http.ResponseWriter, *http.Request) {})
	s := sender(t, webhook.Options{AllowLoopback: true, Timeout: time.Minute})
	call := func() { _, _, err := s.Send(t.Context(), slow, post); ended <- err }
	for range hostCalls {
		go call()
	}
	for range hostCalls {
		<-entered
	}
	if _, _, err := s.Send(t.Context(), slow, post); !errors.Is(err, webhook.ErrBusy) {
		t.Errorf("one more call to the slow host: got %v, want ErrBusy", err)
	}
	if _, _, err := s.Send(t.Context(), quick, post); err != nil {
		t.Errorf("the quick host: %v", err)
	}
	let <- struct{}{}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	go call()
	select {
	case <-entered:
	case err := <-ended:
		t.Errorf("the slow host, when there is room again: %v", err)
	}
	close(let)
	for range hostCalls {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// resolver knows that every name has one IPv4 address. It answers DNS over
// a pipe, which is framed as over TCP.
func resolver(addr netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			for {
				var n [2]byte
				if _, err := io.ReadFull(ours, n[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(n[:]))
				if _, err := io.ReadFull(ours, query); err != nil {
					return
				}
				reply := answer(query, addr)
				if _, err := ours.Write(binary.BigEndian.AppendUint16(nil, uint16(len(reply)))); err != nil {
					return
				}
				if _, err := ours.Write(reply); err != nil {
					return
				}
			}
		}()
		return theirs, nil
	}}
}

// answer makes the reply to a DNS query: one A record if it asks for one, and
// none otherwise (RFC 1035, section 4.1).
func answer(query []byte, addr netip.Addr) []byte {
	const header, typeA = 12, 1
	end := header
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[header : end+5]
	isA := binary.BigEndian.Uint16(query[end+1:]) == typeA
	reply := append([]byte{}, query[:2]...)
	reply = append(reply, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	reply = append(reply, question...)
	if isA {
		reply[7] = 1
		ip := addr.As4()
		reply = append(append(reply, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4), ip[:]...)
	}
	return reply
}
