package main

import "errors"

// bankCmd is the simulated bank as a process of its own.
type bankCmd struct{}

// Run starts it.
func (bankCmd) Run(*app) error { return errors.New("the bank is not part of this build") }
