package simulator

import "remit/rail"

// Rail is the way to a bank in the same process.
type Rail struct {
	*Bank
	name string
}

// New makes the rail of a bank. Who made the bank closes it.
func New(name string, b *Bank) Rail { return Rail{b, name} }

// Name is the rail's name.
func (r Rail) Name() string { return r.name }

var (
	_ rail.Rail      = Rail{}
	_ rail.Reporter  = Rail{}
	_ rail.Steerable = Rail{}
	_ rail.Rail      = Client{}
	_ rail.Reporter  = Client{}
	_ rail.Steerable = Client{}

	_ rail.Identified = Rail{}
	_ rail.Identified = Client{}
)
