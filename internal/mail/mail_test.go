package mail_test

import (
	"bufio"
	"context"
	"errors"
	"io"
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
