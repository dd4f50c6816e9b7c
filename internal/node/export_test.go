package node

import "context"

// Forget does what is done every ten minutes.
func (n *Node) Forget(ctx context.Context) error { return n.forget(ctx) }
