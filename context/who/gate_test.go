package who

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// behindTheGate lists the names of this package that let personal data around the gate, and the only
// folders that may use them: the store, which writes and reads what is kept and says what a commit changed of what the crowd counts; scene, which brings the
// device's own permissions and makes up people to try rules on; privacy, which tells the crowd what to count and which works where there is no device and allows none; and visit, whose
// worker settles what no device will tell. Tests make shoppers as they need them.
var behindTheGate = map[string][]string{
	"New":        {"server/store"},
	"Record":     {"server/store"},
	"NewSubject": {"context/scene", "server/privacy", "server/visit"},
	"Imagined":   {"context/scene"},
	"Counted":    {"server/privacy", "server/store"},
}

const thisPackage = "satnav/context/who"

// breaches lists where a file uses what its folder may not.
func breaches(files *token.FileSet, file *ast.File, folder string) []string {
	var found []string
	at := func(p token.Pos, problem string) {
		found = append(found, fmt.Sprintf("%s: %s", files.Position(p), problem))
	}
	name := ""
	for _, imported := range file.Imports {
		if value, _ := strconv.Unquote(imported.Path.Value); value != thisPackage {
			continue
		}
		name = path.Base(thisPackage)
		if imported.Name != nil {
			name = imported.Name.Name
		}
		if name == "." {
			at(imported.Pos(), "imports who without its name, which hides what it uses")
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if of, ok := selector.X.(*ast.Ident); !ok || of.Name != name {
			return true
		}
		allowed, guarded := behindTheGate[selector.Sel.Name]
		if guarded && !slices.Contains(allowed, folder) {
			at(selector.Pos(), fmt.Sprintf("uses who.%s, which only %s may: read through who.Access", selector.Sel.Name, strings.Join(allowed, ", ")))
		}
		return true
	})
	return found
}

// TestOnlyTheStoreGoesAroundTheGate reads the source of the whole module.
func TestOnlyTheStoreGoesAroundTheGate(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	read := 0
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != root && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		read++
		folder, _ := filepath.Rel(root, filepath.Dir(name))
		for _, breach := range breaches(files, file, filepath.ToSlash(folder)) {
			t.Error(breach)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 30 {
		t.Errorf("read %d files: that is not the whole module", read)
	}
}

// TestBreachesAreFound plants each violation.
func TestBreachesAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		folder string
		source string
		want   int
	}{
		{"a handler makes a shopper of its own", "server/api", `import "satnav/context/who"
			var s = who.New(who.Record{Grants: everything})`, 2},
		{"under another name", "server/visit", `import people "satnav/context/who"
			func f(r people.Record) {}`, 1},
		{"without a name", "recommend", `import . "satnav/context/who"
			var s = New(Record{})`, 1},
		{"permissions that no device gave", "recommend", `import "satnav/context/who"
			var s = who.NewSubject(shopper, who.Permissions{Location: geo.Precise})`, 1},
		{"kept in a variable", "server/deliver", `import "satnav/context/who"
			var makeOne = who.New`, 1},
		{"a history for the crowd's counts", "server/visit", `import "satnav/context/who"
			var h = who.Counted(shopper)`, 1},
		{"the store", "server/store", `import "satnav/context/who"
			var s = who.New(who.Record{})`, 0},
		{"a folder below the store is not the store", "server/store/embedded", `import "satnav/context/who"
			var s = who.New(who.Record{})`, 2},
		{"the scene", "context/scene", `import "satnav/context/who"
			var s = who.NewSubject(nil, who.Permissions{})`, 0},
		{"through the gate", "recommend", `import "satnav/context/who"
			var view, ok = who.Access(who.Loyalty, subject)`, 0},
		{"another package of that name", "server/api", `import "elsewhere/who"
			var s = who.New()`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, "planted.go", "package planted\n"+c.source, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if got := breaches(files, file, c.folder); len(got) != c.want {
				t.Errorf("got %q, want %d breaches", got, c.want)
			}
		})
	}
}
