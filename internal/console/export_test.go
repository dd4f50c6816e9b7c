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

// Harmless is a cell of a file as programs may open it.
func Harmless(cell string) string { return harmless(cell) }
