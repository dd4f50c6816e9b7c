package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"remit"
)

// TestTheExitCodeTellsWhatBecameOfIt gives the command line errors of every
// kind, and compares what it says and how it exits.
func TestTheExitCodeTellsWhatBecameOfIt(t *testing.T) {
	cause := errors.New("the disk is full")
	for _, x := range []struct {
		err  error
		code int
		says string
	}{
		{nil, 0, ""},
		{remit.Errorf(remit.Conflict, "", "there is one already"), 1, "remit: there is one already\n"},
		{fmt.Errorf("merchant acme: %w", remit.Errorf(remit.NotFound, "", "not there")), 1, "remit: merchant acme: not there\n"},
		{misuse{errors.New("a flag is missing")}, 2, "remit: a flag is missing\n"},
		{hinted{misuse{errors.New("that is public")}, "use loopback"}, 2, "remit: that is public\nremit: hint: use loopback\n"},
		{errors.Join(hinted{errors.New("no key"), "make one"}, nil), 1, "remit: no key\nremit: hint: make one\n"},
		{&remit.Error{Code: remit.Unavailable, Detail: "the answer did not come in time", Err: cause}, 3,
			"remit: unavailable: the answer did not come in time: the disk is full\n"},
	} {
		var out, err bytes.Buffer
		a := &app{stdout: &out, stderr: &err}
		if code := a.complain(x.err); code != x.code || err.String() != x.says || out.Len() > 0 {
			t.Errorf("%v: exits with %d, says %q on stderr and %q on stdout; want %d, %q", x.err, code, err.String(), out.String(), x.code, x.says)
		}
	}
}
