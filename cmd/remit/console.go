package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"remit/internal/console"
	"remit/internal/server"
)

// Where the console can be.
const (
	consoleOnAdmin = "admin"
	consoleOff     = "off"
)

// openConsole makes the console, where there is to be one. Without a file of
// users it is for who sits at this machine.
func (p *process) openConsole(proxies []netip.Prefix) (http.Handler, error) {
	switch p.config.Console {
	case consoleOff:
		return nil, nil
	case consoleOnAdmin:
	default:
		return nil, fmt.Errorf("the setting console: %q is neither %s nor %s", p.config.Console, consoleOnAdmin, consoleOff)
	}
	o := console.Options{Node: p.node, Real: time.Now, Log: p.log, From: func(r *http.Request) netip.Addr { return server.From(r, proxies) }}
	if p.config.ConsoleUsers != "" {
		users, err := readUsers(p.config.ConsoleUsers)
		if err != nil {
			return nil, err
		}
		o.Users = users
		return console.New(o), nil
	}
	a, err := net.ResolveTCPAddr("tcp", p.config.AdminListen)
	if err != nil {
		return nil, fmt.Errorf("the setting admin_listen: %w", err)
	}
	if !a.IP.IsLoopback() {
		p.log.Warn("there is no console: admin_listen can be reached by others, and console_users_file names nobody")
		return nil, nil
	}
	o.Operator, o.Local = operator(), true
	return console.New(o), nil
}

// readUsers reads the file of who may log in, which only its owner may read.
func readUsers(path string) (console.Users, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the console's users: %w", err)
	}
	if info.Mode()&othersMay != 0 {
		return nil, hinted{fmt.Errorf("others than its owner may use the file of users %s", path), "chmod 600 " + path}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the console's users: %w", err)
	}
	defer f.Close()
	users, err := console.ReadUsers(f)
	if err != nil {
		return nil, fmt.Errorf("the console's users: %s: %w", path, err)
	}
	return users, nil
}

// consoleCmd is what can be done about who may log in.
type consoleCmd struct {
	Password consolePasswordCmd `cmd:"" help:"Print the line of the users file by which somebody can log in. The password comes on stdin."`
}

type consolePasswordCmd struct {
	Name string `arg:"" help:"The name to log in with. Events name it as who acted."`
}

// Run prints the line.
func (c consolePasswordCmd) Run(a *app) error {
	text, err := io.ReadAll(io.LimitReader(a.stdin, inputBytesMax))
	if err != nil {
		return err
	}
	line, err := console.HashPassword(rand.Reader, c.Name, strings.TrimRight(string(text), "\r\n"))
	switch {
	case errors.Is(err, console.ErrWeak):
		return hinted{misuse{err}, "remit console password " + c.Name + " < FILE"}
	case err != nil:
		return misuse{err}
	}
	a.print("%s", line)
	return nil
}
