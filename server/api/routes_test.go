package api

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
)

// TestGeneratedCodeIsFresh generates again and compares. When it fails: go generate ./sdk-contract/... ./server/api
func TestGeneratedCodeIsFresh(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ folder, config, file string }{
		{"../../sdk-contract/wire", "types.yaml", "wire.gen.go"},
		{".", "routes.yaml", "routes.gen.go"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			contract, err := filepath.Abs("../../sdk-contract/openapi.yaml")
			if err != nil {
				t.Fatal(err)
			}
			config, err := os.ReadFile(filepath.Join(tc.folder, tc.config))
			if err != nil {
				t.Fatal(err)
			}
			aside := t.TempDir()
			fresh := filepath.Join(aside, tc.file)
			config = bytes.Replace(config, []byte("output: "+tc.file), []byte("output: "+fresh), 1)
			if err := os.WriteFile(filepath.Join(aside, tc.config), config, 0o600); err != nil {
				t.Fatal(err)
			}
			generate := exec.CommandContext(t.Context(), "go", "tool", "oapi-codegen", "-config", filepath.Join(aside, tc.config), contract)
			generate.Dir = tc.folder
			if out, err := generate.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want, err := os.ReadFile(fresh)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(tc.folder, tc.file))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is stale: run go generate ./sdk-contract/... ./server/api", tc.file)
			}
		})
	}
}

// TestGeneratedRoutes holds the generated routes to the operations of the contract, both ways.
func TestGeneratedRoutes(t *testing.T) {
	t.Parallel()
	app := fiber.New()
	RegisterHandlers(app, nil)
	if missing, unknown := compareRoutes(app); len(missing) > 0 || len(unknown) > 0 {
		t.Errorf("in the contract alone: %v; mounted alone: %v", missing, unknown)
	}
}

// TestCompareRoutes shows that the comparison finds what it is for.
func TestCompareRoutes(t *testing.T) {
	t.Parallel()
	app := fiber.New()
	app.Get("/v1/secret/:id", func(*fiber.Ctx) error { return nil })
	app.Post("/v1/context", func(*fiber.Ctx) error { return nil })
	missing, unknown := compareRoutes(app)
	if want := []string{"GET /v1/secret/{}"}; !slices.Equal(unknown, want) {
		t.Errorf("got %v, want %v", unknown, want)
	}
	if slices.Contains(missing, "POST /v1/context") || !slices.Contains(missing, "POST /v1/events") {
		t.Errorf("got %v, want all but POST /v1/context", missing)
	}
}

// compareRoutes lists what only the contract has, and what only the app has. HEAD comes with GET, and
// middleware (all methods, no end) is no route.
func compareRoutes(app *fiber.App) (missing, unknown []string) {
	described := map[string]bool{}
	for _, op := range readContract().operations {
		described[op.Method+" "+shorthand(op.Path)] = true
	}
	mounted := map[string]bool{}
	for _, r := range app.GetRoutes(true) {
		if r.Method != fiber.MethodHead {
			mounted[r.Method+" "+shorthand(r.Path)] = true
		}
	}
	for route := range described {
		if !mounted[route] {
			missing = append(missing, route)
		}
	}
	for route := range mounted {
		if !described[route] {
			unknown = append(unknown, route)
		}
	}
	slices.Sort(missing)
	slices.Sort(unknown)
	return missing, unknown
}

// shorthand writes a path so that /v1/stores/{id} and /v1/stores/:id are the same.
func shorthand(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") || strings.HasPrefix(part, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}
