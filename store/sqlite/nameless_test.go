package sqlite

import "testing"

func TestParametersInTheirPlacesNeedNoNames(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1":                         "SELECT 1",
		"a = $1":                           "a = ?",
		"VALUES ($1, $2), ($3, $4)":        "VALUES (?, ?), (?, ?)",
		"CAST($1 AS BIGINT) AND b IN ($2)": "CAST(? AS BIGINT) AND b IN (?)",
		"a = $1 OR b = $1":                 "a = $1 OR b = $1",
		"a = $2 AND b = $1":                "a = $2 AND b = $1",
		"a = $2":                           "a = $2",
		"a = $10":                          "a = $10",
		"$1, $2, $3, $4, $5, $6, $7, $8, $9, $10": "?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
	} {
		if got := nameless(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
