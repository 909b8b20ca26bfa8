package e2e

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "satnav"

// stands lists, from the strictest, what of ours the packages below a folder may
// import: down only. A folder that is not listed may import everything: server.
var stands = []struct {
	folder string
	on     []string
}{
	{"config", nil},
	{"sdk-contract", nil},
	{"geo", nil},
	{"context/who", []string{"geo"}},
	{"context/where", []string{"geo"}},
	{"context/when", []string{"geo"}},
	{"context/scene", []string{"geo", "context/who", "context/where", "context/when"}},
	{"recommend", []string{"geo", "context/who", "context/where", "context/when", "context/scene", "recommend"}},
}

// homes lists the libraries that live in one place only: a folder, or a file.
// The first prefix that fits decides.
var homes = []struct {
	library string
	in      []string
	tests   []string // where tests may import it as well
}{
	{"github.com/gofiber/fiber", []string{"server/api"}, []string{"server"}},
	{"github.com/valyala/fasthttp", []string{"server/api"}, []string{"server"}},
	{"github.com/uber/h3-go", []string{"geo/cell.go"}, []string{"geo"}},
	{"go.mongodb.org/mongo-driver/v2/bson", []string{"server/store"}, nil},
	{"go.mongodb.org/mongo-driver/v2/x/bsonx", []string{"server/store"}, nil}, // the codecs of the hot documents
	{"go.mongodb.org/mongo-driver", []string{"server/store/mongodb"}, nil},
	{"github.com/cockroachdb/pebble", []string{"server/store/embedded"}, nil},
	{"github.com/golang-jwt/jwt", []string{"server/identity"}, nil},
	{"github.com/MicahParks", []string{"server/identity"}, nil},
	{"github.com/knadh/koanf", []string{"config"}, nil},
	{"cel.dev/cel-go", []string{"recommend/rule"}, nil},
	{"github.com/alecthomas/kong", []string{"server/command"}, nil},
	{"github.com/google/differential-privacy", []string{"server/insight"}, nil},
}

// outside are the packages of the standard library that reach network, disk or
// other processes; net/url and net/netip only compute.
var outside = []string{"os", "net", "syscall", "io/ioutil"}

var computes = []string{"net/url", "net/netip"}

// clock are the names of package time that ask the machine: for the instant, for
// its zone, for its zone files, or to be woken.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"}

// exceptions are the uses of the clock below server that were agreed to.
var exceptions = map[string]string{
	"geo/schedule.go time.LoadLocation": "geo.LoadZone, the one door to the zone database: data that is the same on every machine, read once per zone at write",
}

// floor returns everything in one file that breaks the house of DESIGN. name is
// relative to the module, with slashes.
func floor(name string, source []byte) []string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	folder, isTest := path.Dir(name), strings.HasSuffix(name, "_test.go")
	isServer := within(name, "server")
	var wrong []string
	say := func(at token.Pos, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: ", name, files.Position(at).Line)+fmt.Sprintf(format, args...))
	}

	if folder == "context" {
		say(file.Pos(), "context is a street, not a package: it holds no Go file")
	}
	if folder == "." && !isTest {
		say(file.Pos(), "the root is no package")
	}
	for _, spec := range file.Imports {
		library, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return []string{err.Error()}
		}
		if ours, ok := strings.CutPrefix(library, module+"/"); ok {
			if !mayImport(folder, ours) {
				say(spec.Pos(), "%s may not import %s: imports point down only", folder, ours)
			}
			continue
		}
		for _, home := range homes {
			if !within(library, home.library) {
				continue
			}
			if !withinAny(name, home.in) && (!isTest || !withinAny(name, home.tests)) {
				say(spec.Pos(), "%s lives in %s only", home.library, strings.Join(home.in, ", "))
			}
			break
		}
		if !isServer && !isTest && withinAny(library, outside) && !slices.Contains(computes, library) {
			say(spec.Pos(), "%s: only server touches network and disk", library)
		}
	}
	if isServer || isTest {
		return wrong
	}
	called := importName(file, "time")
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && x.Name == called && slices.Contains(clock, selector.Sel.Name) && exceptions[name+" time."+selector.Sel.Name] == "" {
			say(selector.Pos(), "time.%s: only server has a clock; take the time as an argument", selector.Sel.Name)
		}
		return true
	})
	return wrong
}

// mayImport tells whether a package may stand on another of ours.
func mayImport(folder, on string) bool {
	if on == folder { // its own external test
		return true
	}
	if within(on, "server") {
		return within(folder, "server")
	}
	for _, s := range stands {
		if within(folder, s.folder) {
			return withinAny(on, s.on)
		}
	}
	return within(folder, "server")
}

// within tells whether a path is another one, or lies below it.
func within(name, above string) bool {
	return name == above || strings.HasPrefix(name, above+"/")
}

func withinAny(name string, above []string) bool {
	return slices.ContainsFunc(above, func(a string) bool { return within(name, a) })
}

// importName returns the name by which a file calls a package, or "" when it does
// not import it.
func importName(file *ast.File, library string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value != strconv.Quote(library) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(library)
	}
	return ""
}

// TestFloors holds every Go file of the module to the house. It walks the folders
// rather than asking go list, so that the test cache sees new files.
func TestFloors(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			_, nested := os.Stat(filepath.Join(name, "go.mod")) // a module of its own, such as the MongoDB test server
			if base == "testdata" || base == "node_modules" || base == "vendor" || relative != "." && (nested == nil || strings.HasPrefix(base, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(base) != ".go" {
			return nil
		}
		if built, err := build.Default.MatchFile(filepath.Dir(name), base); err != nil || !built {
			return err
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		read++
		for _, wrong := range floor(filepath.ToSlash(relative), source) {
			t.Error(wrong)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 50 {
		t.Errorf("only %d files were read: this test looks in the wrong place", read)
	}
}

// TestFloorsFindWhatIsPlanted shows that TestFloors can fail.
func TestFloorsFindWhatIsPlanted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		file string
		give string // what stands after the package clause
		want string // part of the one complaint; empty: none
	}{
		{"geo on config", "geo/a.go", `import "satnav/config"`, "geo may not import config"},
		{"geo on geo", "geo/a_test.go", `import "satnav/geo"`, ""},
		{"config on geo", "config/a.go", `import "satnav/geo"`, "config may not import geo"},
		{"contract on wire", "sdk-contract/a.go", `import "satnav/sdk-contract/wire"`, "may not import sdk-contract/wire"},
		{"wire on who", "sdk-contract/wire/a.go", `import "satnav/context/who"`, "may not import context/who"},
		{"who on geo", "context/who/a.go", `import "satnav/geo"`, ""},
		{"who on where", "context/who/a.go", `import "satnav/context/where"`, "context/who may not import context/where"},
		{"where on scene", "context/where/a.go", `import "satnav/context/scene"`, "may not import context/scene"},
		{"when on config", "context/when/a.go", `import "satnav/config"`, "may not import config"},
		{"scene on all three", "context/scene/a.go", `import ("satnav/context/who"; "satnav/context/where"; "satnav/context/when"; "satnav/geo")`, ""},
		{"scene on recommend", "context/scene/a.go", `import "satnav/recommend"`, "may not import recommend"},
		{"recommend on scene and geo", "recommend/learn/a.go", `import ("satnav/context/scene"; "satnav/geo"; "satnav/recommend/rule")`, ""},
		{"recommend on config", "recommend/a.go", `import "satnav/config"`, "may not import config"},
		{"recommend on the contract", "recommend/a.go", `import "satnav/sdk-contract/wire"`, "may not import sdk-contract/wire"},
		{"recommend on server, in a test", "recommend/a_test.go", `import "satnav/server/demo"`, "may not import server/demo"},
		{"a name that only begins alike", "recommendation/a.go", `import "satnav/geo"`, "may not import geo"},
		{"server on all", "server/app/a.go", `import ("satnav/config"; "satnav/recommend"; "satnav/sdk-contract/wire"; "satnav/server/api")`, ""},
		{"a Go file in context", "context/a.go", ``, "holds no Go file"},
		{"a Go file in the root", "a.go", ``, "the root is no package"},

		{"fiber in api", "server/api/a.go", `import "github.com/gofiber/fiber/v2"`, ""},
		{"fiber in app", "server/app/a.go", `import "github.com/gofiber/fiber/v2/middleware/cors"`, "lives in server/api only"},
		{"fiber in an end-to-end test", "server/e2e/a_test.go", `import "github.com/gofiber/fiber/v2"`, ""},
		{"driver in its store", "server/store/mongodb/a.go", `import "go.mongodb.org/mongo-driver/v2/mongo"`, ""},
		{"driver in store", "server/store/a.go", `import "go.mongodb.org/mongo-driver/v2/mongo"`, "lives in server/store/mongodb only"},
		{"bson in store", "server/store/storetest/a.go", `import "go.mongodb.org/mongo-driver/v2/bson"`, ""},
		{"bsoncore in store", "server/store/a.go", `import "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"`, ""},
		{"bson in api", "server/api/a.go", `import "go.mongodb.org/mongo-driver/v2/bson"`, "lives in server/store only"},
		{"h3 in cell.go", "geo/cell.go", `import "github.com/uber/h3-go/v4"`, ""},
		{"h3 elsewhere in geo", "geo/index.go", `import "github.com/uber/h3-go/v4"`, "lives in geo/cell.go only"},
		{"h3 in server", "server/api/a.go", `import h3 "github.com/uber/h3-go/v4"`, "lives in geo/cell.go only"},
		{"pebble in api", "server/api/a.go", `import "github.com/cockroachdb/pebble/v2"`, "lives in server/store/embedded only"},
		{"tokens in api", "server/api/a.go", `import "github.com/golang-jwt/jwt/v5"`, "lives in server/identity only"},

		{"disk in geo", "geo/a.go", `import "os"`, "only server touches network and disk"},
		{"processes in recommend", "recommend/a.go", `import "os/exec"`, "only server touches network and disk"},
		{"network in who", "context/who/a.go", `import "net/http"`, "only server touches network and disk"},
		{"disk in config", "config/a.go", `import "os"`, "only server touches network and disk"},
		{"disk in a test of geo", "geo/a_test.go", `import "os"`, ""},
		{"addresses in config", "config/a.go", `import ("net/netip"; "net/url")`, ""},
		{"disk in server", "server/store/a.go", `import "os"`, ""},

		{"clock in when", "context/when/a.go", "import \"time\"\nvar now = time.Now()", "a.go:3: time.Now: only server has a clock"},
		{"clock as a value", "geo/a.go", "import \"time\"\nvar now = time.Now", "time.Now"},
		{"clock under another name", "recommend/a.go", "import clock \"time\"\nvar d = clock.Since", "time.Since"},
		{"zone files", "geo/a.go", "import \"time\"\nvar _, _ = time.LoadLocation(\"UTC\")", "time.LoadLocation"},
		{"zone files through their one door", "geo/schedule.go", "import \"time\"\nvar _, _ = time.LoadLocation(\"UTC\")", ""},
		{"another clock behind that door", "geo/schedule.go", "import \"time\"\nvar _ = time.Now()", "time.Now"},
		{"times that are given", "geo/a.go", "import \"time\"\nfunc f(t time.Time) time.Time { return t.Local().Add(time.Hour) }", ""},
		{"a variable called time", "geo/a.go", "var time struct{ Now int }\nvar x = time.Now", ""},
		{"clock in a test", "geo/a_test.go", "import \"time\"\nvar now = time.Now()", ""},
		{"clock in server", "server/visit/a.go", "import \"time\"\nvar now = time.Now()", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wrong := floor(test.file, []byte("package p\n"+test.give+"\n"))
			switch {
			case test.want == "" && len(wrong) > 0:
				t.Errorf("got %q, want nothing", wrong)
			case test.want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], test.want)):
				t.Errorf("got %q, want one with %q", wrong, test.want)
			}
		})
	}
}

// unchecked are the tests that may speak HTTP past apitest's validator, and why.
var unchecked = map[string]string{
	"server/api/apitest/validator_test.go": "tests the validator",
	"server/api/body_test.go":              "asks an echo of bodies, not the API",
	"server/command/command_test.go":       "waits until a server answers",
	"server/e2e/delivery_test.go":          "reads a stream that does not end",
	"server/e2e/events_test.go":            "reads the operator's metrics, which are not in the contract",
	"server/e2e/models_test.go":            "reads the operator's metrics, which are not in the contract",
	"server/e2e/sensitive_places_test.go":  "reads the operator's metrics, which are not in the contract",
	"server/observe/operator_test.go":      "asks the operator's port, which is not in the contract",
}

// TestAnswersAreValidated holds tests to clients that validate every answer against the contract.
func TestAnswersAreValidated(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`http\.(DefaultClient|DefaultTransport|Get|Post|PostForm|Head|Client)\b`)
	root := os.DirFS("../..")
	err := fs.WalkDir(root, "server", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if unchecked[path] == "" && plain.MatchString(line) && !strings.Contains(line, "client *http.Client,") && !strings.Contains(line, "regexp") {
				t.Errorf("%s:%d: %s: want apitest.Client, which validates the answer", path, i+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
