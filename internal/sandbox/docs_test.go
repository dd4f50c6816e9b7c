package sandbox_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Every example of the reference page is run as it stands there, one after
// another in one shell that stops at the first failure.
func TestTheExamplesOfThePageRun(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/sandbox.md")
	must(t, err)
	var script strings.Builder
	blocks := shellBlock.FindAllSubmatch(page, -1)
	for _, b := range blocks {
		script.Write(b[1])
	}
	if len(blocks) < 5 {
		t.Fatalf("the page has %d examples", len(blocks))
	}
	c := start(t)
	cmd := exec.Command("sh", "-eu", "-c", script.String())
	cmd.Env = append(os.Environ(), "DIR="+c.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	c.sound()
}
