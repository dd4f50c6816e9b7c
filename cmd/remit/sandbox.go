package main

import "errors"

// sandboxCmd is everything in one process.
type sandboxCmd struct{}

// Run starts it.
func (sandboxCmd) Run(*app) error { return errors.New("the sandbox is not part of this build") }
