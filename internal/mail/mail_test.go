package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"remit/dialect"
	remitmail "remit/internal/mail"
)

// got is what a server was handed.
type got struct{ from, to, data string }

// serve is a mail server of one mail, as small as one can be.
func serve(t *testing.T, refuse string) (address string, mails <-chan got) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	out := make(chan got, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := textproto.NewReader(bufio.NewReader(conn))
		say := func(s string) { io.WriteString(conn, s+"\r\n") }
		var m got
		say("220 here")
		for {
			line, err := r.ReadLine()
			if err != nil {
				return
			}
			switch verb, rest, _ := strings.Cut(line, ":"); {
			case refuse != "" && strings.HasPrefix(line, refuse):
				say("550 no")
			case strings.HasPrefix(line, "EHLO"):
				say("250 here")
			case verb == "MAIL FROM":
				m.from = rest
				say("250 ok")
			case verb == "RCPT TO":
				m.to = rest
				say("250 ok")
			case line == "DATA":
				say("354 go on")
				body, _ := r.ReadDotBytes()
				m.data = string(body)
				say("250 taken")
			case line == "QUIT":
				say("221 bye")
				out <- m
				return
			}
		}
	}()
	return l.Addr().String(), out
}

func letter(subject, text string) dialect.Outgoing {
	return dialect.Outgoing{Method: dialect.MethodMail, Header: http.Header{"Subject": {subject}}, Body: []byte(text)}
}

func now() time.Time { return time.Unix(1_000_000_000, 0).UTC() }

// TestAMailArrivesWhole hands a mail with letters beyond ASCII to a server,
// and reads it there.
func TestAMailArrivesWhole(t *testing.T) {
	address, mails := serve(t, "")
	s := remitmail.Sender{Server: address, From: "Shop <refunds@shop.example>", Now: now}
	reply, _, err := s.Send(t.Context(), "mailto:maija%2Bx@example.net", letter("Your refund\r\nBcc: all@example.net", "Hyvää päivää.\n.\nEnd\n"))
	if err != nil || reply.Status != 250 {
		t.Fatalf("got %d, %v", reply.Status, err)
	}
	m := <-mails
	if m.from != "<refunds@shop.example>" || m.to != "<maija+x@example.net>" {
		t.Errorf("from %s to %s", m.from, m.to)
	}
	read, err := mail.ReadMessage(strings.NewReader(m.data))
	if err != nil {
		t.Fatal(err)
	}
	if read.Header.Get("Bcc") != "" {
		t.Error("a subject became a header")
	}
	for _, want := range []string{"Hyv=C3=A4=C3=A4", "\n.\n"} {
		if !strings.Contains(m.data, want) {
			t.Errorf("%q lacks %q", m.data, want)
		}
	}
}

// TestAMailThatIsNotTakenIsAnError: by the server, for want of one, for want
// of an address, or because it would be read on its way.
func TestAMailThatIsNotTakenIsAnError(t *testing.T) {
	refusing, _ := serve(t, "RCPT")
	for name, x := range map[string]struct {
		server, to string
		want       error
	}{
		"refused":    {refusing, "mailto:a@example.net", nil},
		"no server":  {"", "mailto:a@example.net", remitmail.ErrServer},
		"no address": {refusing, "mailto:a", remitmail.ErrAddress},
		"two":        {refusing, "mailto:a@example.net,b@example.net", remitmail.ErrAddress},
	} {
		s := remitmail.Sender{Server: x.server, From: "refunds@shop.example", Now: now}
		_, _, err := s.Send(t.Context(), x.to, letter("s", "t"))
		if err == nil || (x.want != nil && !errors.Is(err, x.want)) {
			t.Errorf("%s: got %v, want %v", name, err, x.want)
		}
	}
}

type calls struct{ url string }

func (c *calls) Send(_ context.Context, url string, _ dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	c.url = url
	return dialect.Reply{Status: 200}, 0, nil
}

// TestWhatIsNoMailGoesOn leaves a call to whoever makes calls.
func TestWhatIsNoMailGoesOn(t *testing.T) {
	var next calls
	s := remitmail.Sender{Next: &next, Now: now}
	if _, _, err := s.Send(t.Context(), "https://shop.example/x", dialect.Outgoing{Method: "GET"}); err != nil || next.url != "https://shop.example/x" {
		t.Errorf("went to %q: %v", next.url, err)
	}
}

// secured is a mail server of one mail that offers what it is told to, and keeps
// every line that it was sent, each behind "clear" or "tls".
type secured struct {
	address string
	config  *tls.Config
	offers  []string     // in clear; behind TLS it offers AUTH PLAIN
	stop    func() error // of the listener
	ended   chan struct{}
	lines   []string // once it has ended
}

func (s *secured) serve(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.stop, s.ended = l.Addr().String(), l.Close, make(chan struct{})
	go func() {
		defer close(s.ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		r, how, offers := textproto.NewReader(bufio.NewReader(conn)), "clear ", s.offers
		say := func(lines ...string) { io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n") }
		say("220 here")
		for {
			line, err := r.ReadLine()
			if err != nil {
				return
			}
			s.lines = append(s.lines, how+line)
			switch verb, _, _ := strings.Cut(line, " "); verb {
			case "EHLO":
				say("250-here")
				for _, o := range offers {
					say("250-" + o)
				}
				say("250 HELP")
			case "STARTTLS":
				say("220 go on")
				inner := tls.Server(conn, s.config)
				if inner.Handshake() != nil {
					return
				}
				conn, how, offers = inner, "tls ", []string{"AUTH PLAIN"}
				r = textproto.NewReader(bufio.NewReader(conn))
			case "AUTH":
				say("235 in")
			case "DATA":
				say("354 go on")
				_, _ = r.ReadDotBytes()
				say("250 taken")
			case "QUIT":
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}()
}

// certificate makes an authority and a certificate of it for a name, both good for an hour.
func certificate(t *testing.T, name string) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool, tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// TestAMailIsEncryptedWhereItCanBe hands a mail to servers that offer encryption:
// with a certificate that holds, everything but the greeting is encrypted; with one
// that does not, or with an old protocol, nothing more is said, no password and no address. Nor is
// it to a server that offers none, unless it is on this machine: a name that only leads there is another's.
func TestAMailIsEncryptedWhereItCanBe(t *testing.T) {
	pool, right := certificate(t, "127.0.0.1")
	_, strange := certificate(t, "127.0.0.1")
	otherPool, other := certificate(t, "mail.example.net")
	const login = "tls AUTH PLAIN AHJlbWl0AG9wZW4gc2VzYW1l" // \0remit\0open sesame
	for name, x := range map[string]struct {
		trusts *x509.CertPool
		shows  tls.Certificate
		oldest uint16 // version that the server speaks at most; 0 is any
		offers []string
		user   string
		at     string // what we call the server's host, where it is not by its address
		sent   bool
		want   error // of what is not sent; nil is any
	}{
		"trusted":                          {trusts: pool, shows: right, offers: []string{"STARTTLS"}, user: "remit", sent: true},
		"trusted, without a login":         {trusts: pool, shows: right, offers: []string{"STARTTLS"}, sent: true},
		"AUTH in clear is passed over":     {trusts: pool, shows: right, offers: []string{"AUTH PLAIN", "STARTTLS"}, user: "remit", sent: true},
		"of an authority nobody knows":     {trusts: pool, shows: strange, offers: []string{"STARTTLS"}, user: "remit"},
		"of another name":                  {trusts: otherPool, shows: other, offers: []string{"STARTTLS"}, user: "remit"},
		"older than TLS 1.2":               {trusts: pool, shows: right, oldest: tls.VersionTLS11, offers: []string{"STARTTLS"}, user: "remit"},
		"another machine, in clear":        {offers: []string{"AUTH PLAIN"}, user: "remit", at: "LOCALHOST", want: remitmail.ErrPlain},
		"another machine, without a login": {at: "LOCALHOST", want: remitmail.ErrPlain},
	} {
		t.Run(name, func(t *testing.T) {
			s := &secured{config: &tls.Config{Certificates: []tls.Certificate{x.shows}, MinVersion: tls.VersionTLS10, MaxVersion: x.oldest}, offers: x.offers}
			s.serve(t)
			address := s.address
			if _, port, err := net.SplitHostPort(address); err == nil && x.at != "" {
				address = net.JoinHostPort(x.at, port)
			}
			m := remitmail.Sender{
				Server: address, From: "refunds@shop.example", User: x.user, Password: "open sesame", Now: now, TLS: &tls.Config{RootCAs: x.trusts, MinVersion: tls.VersionTLS12},
			}
			_, _, err := m.Send(t.Context(), "mailto:maija@example.net", letter("Your refund", "text"))
			_ = s.stop() // where nobody came
			<-s.ended
			all := strings.Join(s.lines, "\n")
			if (err == nil) != x.sent || (x.want != nil && !errors.Is(err, x.want)) {
				t.Errorf("got %v after\n%s", err, all)
			}
			for _, line := range s.lines {
				if verb, _ := strings.CutPrefix(line, "clear "); verb != line && !strings.HasPrefix(verb, "EHLO") && verb != "STARTTLS" && verb != "*" && verb != "QUIT" {
					t.Errorf("in clear it said %q", verb)
				}
			}
			if x.sent && (strings.Contains(all, login) != (x.user != "") || !strings.Contains(all, "tls MAIL FROM:<refunds@shop.example>")) {
				t.Errorf("it said\n%s", all)
			}
		})
	}
}
