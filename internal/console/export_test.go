package console

import (
	"maps"
	"slices"
)

// Acts lists where every form is sent that acts, below Path.
func (c *Console) Acts() []string { return slices.Sorted(maps.Keys(c.acts())) }
