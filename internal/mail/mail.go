// Package mail carries notifications that are mails. What is no mail it
// leaves to whoever makes calls.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/url"
	"strings"
	"time"

	"remit/dialect"
)

// timeout is how long one mail may take, of real time.
const timeout = 20 * time.Second

// statusAccepted is the reply to a mail that its server took: what SMTP says.
const statusAccepted = 250

// Errors of a mail.
var (
	// ErrServer means that no server is configured to hand mails to.
	ErrServer = errors.New("mail: no server is configured")
	// ErrAddress means that a URL names no address.
	ErrAddress = errors.New("mail: that is no address")
	// ErrPlain means that the server is another machine and offers no
	// encryption.
	ErrPlain = errors.New("mail: the server offers no encryption")
)

// Caller makes calls, as the engine asks for them.
type Caller interface {
	Send(ctx context.Context, url string, out dialect.Outgoing) (dialect.Reply, time.Duration, error)
}

// Sender hands mails to a server, and all else to Next.
type Sender struct {
	Next     Caller
	Server   string // HOST:PORT; "" has every mail fail
	From     string // an address, with or without a name
	User     string // "" logs in to nothing
	Password string
	Now      func() time.Time // of the real clock
	TLS      *tls.Config      // towards the server; nil trusts whom the system trusts
}

// Send sends a mail, or makes a call. A mail has reached its server when there
// is no error; who reads it nobody can tell.
func (s Sender) Send(ctx context.Context, target string, out dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	if out.Method != dialect.MethodMail {
		return s.Next.Send(ctx, target, out)
	}
	began := s.Now()
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	if err := s.mail(ctx, target, out); err != nil {
		return dialect.Reply{}, s.Now().Sub(began), err
	}
	return dialect.Reply{Status: statusAccepted}, s.Now().Sub(began), nil
}

// Address is whom a mailto URL names.
func Address(target string) (string, error) {
	path, ok := strings.CutPrefix(target, "mailto:")
	text, err := url.PathUnescape(path)
	if !ok || err != nil {
		return "", ErrAddress
	}
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text {
		return "", ErrAddress
	}
	return text, nil
}

func (s Sender) mail(ctx context.Context, target string, out dialect.Outgoing) error {
	to, err := Address(target)
	if err != nil {
		return err
	}
	from, err := mail.ParseAddress(s.From)
	if s.Server == "" || err != nil {
		return ErrServer
	}
	host, _, err := net.SplitHostPort(s.Server)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if err := s.shield(c, host); err != nil {
		return err
	}
	if err := hand(c, from.Address, to, s.message(from, to, out)); err != nil {
		return err
	}
	_ = c.Quit() // the server has the mail: saying so again would send it twice
	return nil
}

// shield encrypts the connection, and logs in. Only a server on this machine
// is spoken to in clear.
func (s Sender) shield(c *smtp.Client, host string) error {
	if offered, _ := c.Extension("STARTTLS"); offered {
		if err := c.StartTLS(s.config(host)); err != nil {
			return err
		}
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ErrPlain
	}
	if s.User == "" {
		return nil
	}
	return c.Auth(smtp.PlainAuth("", s.User, s.Password, host))
}

func (s Sender) config(host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLS != nil {
		c = s.TLS.Clone()
	}
	c.ServerName = host
	return c
}

func hand(c *smtp.Client, from, to, message string) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, message)
	return errors.Join(err, w.Close())
}

// message is the mail as RFC 5322 has it. A subject with line feeds would be
// more than a subject: it is encoded whole.
func (s Sender) message(from *mail.Address, to string, out dialect.Outgoing) string {
	var b strings.Builder
	for _, h := range [][2]string{
		{"From", from.String()}, {"To", (&mail.Address{Address: to}).String()},
		{"Subject", mime.QEncoding.Encode("utf-8", out.Header.Get("Subject"))},
		{"Date", s.Now().Format(time.RFC1123Z)},
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write(out.Body) // a builder does not fail
	_ = w.Close()
	return b.String()
}
