package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestTheTutorialRuns runs the lines of the tutorial as they stand there, one
// after another in one shell that stops at the first failure, next to a
// sandbox as make run starts it.
func TestTheTutorialRuns(t *testing.T) {
	page, err := os.ReadFile("../../docs/tutorial/first-refund.md")
	must(t, err)
	var script strings.Builder
	for _, b := range shellBlock.FindAllSubmatch(page, -1) {
		script.Write(b[1])
	}
	dir, here := t.TempDir(), t.TempDir()
	_, out := begin(t, nil, "sandbox", "--data", dir, "--listen", "127.0.0.1:0")
	controlURL(t, dir, out)
	self, err := os.Executable()
	must(t, err)
	must(t, os.Mkdir(filepath.Join(here, "bin"), 0o755))
	must(t, os.Symlink(self, filepath.Join(here, "bin", "remit"))) // by this name it is the program: see TestMain
	cmd := exec.Command("sh", "-eu", "-c", script.String())
	cmd.Dir, cmd.Env = here, append(os.Environ(), "DIR="+dir)
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "the evidence holds") {
		t.Errorf("%v\n%s", err, text)
	}
}
