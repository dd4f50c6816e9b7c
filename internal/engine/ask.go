package engine

import (
	"context"

	"remit"
	"remit/dialect"
)

// Ask carries out what a merchant asks in a dialect. The caller has shown that
// it is this merchant. evidence names the request.
func (e *Engine) Ask(ctx context.Context, m remit.MerchantID, in, evidence string, op dialect.Operation) (remit.Result, error) {
	switch {
	case op.Refund != nil:
		cmd := op.Refund.Refund
		cmd.Head, cmd.Dialect, cmd.Rail = e.Head(m, ActorMerchant, evidence), in, e.cfg.Rail
		if cmd.Key != "" {
			cmd.Digest = e.cfg.Vault.Digest("request", in, string(op.Refund.Content))
		}
		return e.Do(ctx, cmd)
	}
	return remit.Result{}, remit.Errorf(remit.Unsupported, remit.ReasonUnknownMethod, "there is no such function")
}
