package app

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"satnav/config"
)

// TestEveryKnobIsUsed type-checks the packages that take a configuration and fails for a knob whose field
// none of them reads: a knob that changes nothing is a lie to whoever turns it.
func TestEveryKnobIsUsed(t *testing.T) {
	t.Parallel()
	read := map[string]bool{} // Type.Field
	compiled := export(t)
	for _, folder := range []string{".", "../command"} {
		maps.Copy(read, fieldsRead(t, folder, compiled))
	}
	through := map[string]string{"Config.Keys": "Config.KeyFolder"} // methods of config that read a knob for its users
	for _, field := range leaves(reflect.TypeFor[config.Config]()) {
		if !read[field] && !read[through[field]] {
			t.Errorf("nothing reads config.%s", field)
		}
	}
}

// leaves lists the fields of a configuration that are no sections, as Type.Field.
func leaves(t reflect.Type) (all []string) {
	for field := range t.Fields() {
		if field.Type.Kind() == reflect.Struct {
			all = append(all, leaves(field.Type)...)
		} else {
			all = append(all, t.Name()+"."+field.Name)
		}
	}
	return all
}

// export finds the compiled packages that server/app and server/command stand on.
func export(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "satnav/server/command").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if name, file, ok := strings.Cut(lines.Text(), " "); ok {
			files[name] = file
		}
	}
	return files
}

// fieldsRead lists the fields of config's structs that a package selects in its own code.
func fieldsRead(t *testing.T, folder string, compiled map[string]string) map[string]bool {
	t.Helper()
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info := types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	checker := types.Config{Importer: importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) })}
	if _, err := checker.Check(folder, set, files, &info); err != nil {
		t.Fatal(err)
	}
	read := map[string]bool{}
	for _, selection := range info.Selections {
		owner := selection.Recv()
		if pointer, ok := owner.(*types.Pointer); ok {
			owner = pointer.Elem()
		}
		if named, ok := owner.(*types.Named); ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "satnav/config" {
			read[named.Obj().Name()+"."+selection.Obj().Name()] = true
		}
	}
	return read
}
