package console

import (
	"maps"
	"slices"

	"remit"
)

// Refusal says what came of an act that failed.
func Refusal(e *remit.Error) string { return refusal(e) }

// Acts lists where every form is sent that acts, below Path.
func (c *Console) Acts() []string { return slices.Sorted(maps.Keys(c.acts())) }
