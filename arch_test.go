package remit_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "remit"

// floors is the house plan, ground first. A package may import only packages
// of lower floors; "*" stands for one folder name. A whole name counts before
// any pattern.
var floors = [][]string{
	{"money"},
	{"ledger"},
	{"."},
	{"dialect", "rail", "store", "internal/vault", "internal/clock", "internal/pgtest"},
	{"store/relational", "internal/page", "internal/p521", "internal/requestlog"},
	{"dialect/*", "rail/*", "store/*"},
	{"internal/directory", "internal/webhook", "internal/mail", "internal/outbox", "internal/check", "internal/evidence", "internal/books"},
	{"internal/engine"},
	{"internal/node", "dialect/dialecttest"},
	{"internal/server", "internal/sandbox", "internal/metrics", "internal/console"},
	{"internal/catalog"},
	{"cmd/*", "test", "test/*", "bench", "bench/*", "examples/*"},
}

// pureFloors is how many floors, from the ground, decide and do nothing else.
const pureFloors = 3

// impure is what those may not import: nothing there reads a clock, a file, a
// socket or a database.
var impure = []string{"context", "crypto/rand", "database/sql", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", "sync"}

func floor(pkg string) int {
	for i, patterns := range floors {
		if slices.Contains(patterns, pkg) {
			return i
		}
	}
	return slices.IndexFunc(floors, func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, _ := filepath.Match(p, pkg)
			return ok
		})
	})
}

// column is "dialect", "rail" or "store" if pkg stands in one, else "".
func column(pkg string) string {
	head, _, _ := strings.Cut(pkg, "/")
	if head == "dialect" || head == "rail" || head == "store" {
		return head
	}
	return ""
}

// wall says why from may not import to, though it stands higher, or nothing.
func wall(from, to string) string {
	top := strings.HasSuffix(from, "test") || (floor(from) == len(floors)-1 && !strings.HasPrefix(from, "cmd/"))
	switch a, b := column(from), column(to); {
	case top:
		return ""
	case strings.HasSuffix(to, "test"):
		return "what helps tests is for tests"
	case a != "" && b != "" && a != b:
		return "columns do not know each other"
	case a == "" && b != "" && b != to && from != "internal/catalog":
		return "only the catalog knows implementations"
	}
	return ""
}

// kept visits each file and folder that belongs to the repository.
func kept(t *testing.T, visit func(path string, e fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && slices.Contains([]string{".git", "bin", "dist", "tmp"}, path) {
			return fs.SkipDir
		}
		visit(path, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// packages visits each folder that holds Go.
func packages(t *testing.T, visit func(dir string, p *build.Package)) {
	t.Helper()
	kept(t, func(path string, e fs.DirEntry) {
		if !e.IsDir() || strings.Contains(path, "testdata") {
			return
		}
		p, err := build.ImportDir(path, 0)
		if _, none := errors.AsType[*build.NoGoError](err); none {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		visit(path, p)
	})
}

// TestImportsGoDown holds every package to the house plan: it stands on a
// floor, imports only what is below, climbs over no wall, and says in its
// comment what it is.
func TestImportsGoDown(t *testing.T) {
	packages(t, func(dir string, p *build.Package) {
		from := floor(dir)
		if from < 0 {
			t.Errorf("%s stands on no floor: give it one in floors, and say why in ARCHITECTURE.md", dir)
			return
		}
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", dir)
		}
		for _, imp := range p.Imports {
			if from < pureFloors && slices.Contains(impure, imp) {
				t.Errorf("%s decides, and may not import %s", dir, imp)
			}
			if imp != module && !strings.HasPrefix(imp, module+"/") {
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
			if to == "" {
				to = "."
			}
			if floor(to) >= from {
				t.Errorf("%s (floor %d) may not import %s (floor %d)", dir, from, to, floor(to))
			}
			if why := wall(dir, to); why != "" {
				t.Errorf("%s may not import %s: %s", dir, to, why)
			}
		}
	})
}

// TestWallsStand shows that the plan forbids what it is there to forbid.
func TestWallsStand(t *testing.T) {
	for _, x := range [][2]string{
		{"dialect/trustly", "rail"}, {"rail/simulator", "store"}, {"internal/engine", "store/sqlite"},
		{"cmd/remit", "dialect/trustly"}, {"internal/server", "store/storetest"}, {"store/sqlite", "internal/pgtest"},
	} {
		if wall(x[0], x[1]) == "" {
			t.Errorf("no wall keeps %s from importing %s", x[0], x[1])
		}
	}
	for _, x := range [][2]string{
		{"internal/catalog", "store/sqlite"}, {"internal/engine", "store"}, {"store/sqlite", "store/relational"}, {"dialect/trustly", "dialect"},
	} {
		if why := wall(x[0], x[1]); why != "" {
			t.Errorf("%s may not import %s: %s", x[0], x[1], why)
		}
	}
}

// TestEveryDependencyHasItsReason: what the code imports of others stands,
// with why, in the ADR about dependencies.
func TestEveryDependencyHasItsReason(t *testing.T) {
	const page = "docs/adr/0002-dependencies.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([\\w.-]+/[\\w./-]+)`").FindAllStringSubmatch(string(text), -1)
	packages(t, func(dir string, p *build.Package) {
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			host, _, _ := strings.Cut(imp, "/")
			if strings.Contains(host, ".") && !slices.ContainsFunc(named, func(m []string) bool { return strings.Contains(imp+"/", m[1]+"/") }) {
				t.Errorf("%s imports %s, and %s does not say why", dir, imp, page)
			}
		}
	})
}

// functionLinesMax is how long a function may be, in lines: a screen.
const functionLinesMax = 70

// TestAFunctionFitsAScreen measures every function that is not a test, and
// sees that nobody who must be told the time asks for it.
func TestAFunctionFitsAScreen(t *testing.T) {
	packages(t, func(dir string, p *build.Package) {
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(dir, name), nil, 0)
			if err != nil {
				t.Error(err)
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					lines := set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1
					if lines > functionLinesMax {
						t.Errorf("%s: %s has %d lines, above %d", set.Position(n.Pos()), n.Name, lines, functionLinesMax)
					}
				case *ast.SelectorExpr:
					x, _ := n.X.(*ast.Ident)
					told := floor(dir) < pureFloors || column(dir) == "dialect"
					if told && x != nil && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Sleep", "After"}, n.Sel.Name) {
						t.Errorf("%s: time.%s: the time comes in from outside", set.Position(n.Pos()), n.Sel.Name)
					}
				}
				return true
			})
		}
	})
}

// foreign are the words of one provider that name what has another name here.
var foreign = regexp.MustCompile(`(?i)deposit|orderid|messageid|notificationid|gluepay`)

// TestAProvidersWordStaysInItsFolder reads the code that is no dialect's.
func TestAProvidersWordStaysInItsFolder(t *testing.T) {
	packages(t, func(dir string, p *build.Package) {
		if (column(dir) == "dialect" && dir != "dialect") || dir == "bench" { // the bench is a client
			return
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
			}
			if word := foreign.Find(text); word != nil {
				t.Errorf("%s says %q, a provider's word", filepath.Join(dir, name), word)
			}
		}
	})
}

// banned are words that no file of the repository may hold: work that was put
// off, and places that exist on one machine only. They are cut in two, so
// that this file holds none of them.
var banned = []string{
	"TO" + "DO", "FIX" + "ME", "/wo" + "rk/", "/tmp/" + "plan", "/ro" + "ot/", "/ho" + "me/",
	"proxy." + "golang.org", "sum." + "golang.org", "registry." + "npmjs.org", "index." + "crates.io", "files." + "pythonhosted.org",
}

// TestNothingWasPutOff reads every file for words that do not belong in it.
func TestNothingWasPutOff(t *testing.T) {
	read := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			return
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return // not a text
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, word := range banned {
				if strings.Contains(line, word) {
					t.Errorf("%s:%d holds %q", path, i+1, word)
				}
			}
		}
	}
	kept(t, func(path string, e fs.DirEntry) {
		if e.Type().IsRegular() {
			read(path)
		}
	})
}
