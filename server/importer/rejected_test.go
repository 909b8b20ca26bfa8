package importer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRejectedFileSpeaksOfTheLastImport(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stock.csv")
	run := func(give string) {
		t.Helper()
		rejected := NewRejectedFile(path)
		if _, err := Run(t.Context(), KindStock, strings.NewReader(give), &memory{}, Options{Rejected: rejected}); err != nil {
			t.Fatal(err)
		}
		if err := rejected.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ give, want string }{
		{"item,store,stock\np1,s1,none\np2,s1,few\n", `{"line":2,"column":"stock","reason":"got \"none\", want a number from 0 to 1000000000","row":"p1,s1,none"}` + "\n" +
			`{"line":3,"column":"stock","reason":"got \"few\", want a number from 0 to 1000000000","row":"p2,s1,few"}` + "\n"},
		{"item,store,stock\np1,s1,0\np2,s1,few\n", `{"line":3,"column":"stock","reason":"got \"few\", want a number from 0 to 1000000000","row":"p2,s1,few"}` + "\n"},
		{"item,store,stock\np1,s1,0\n", ""},
		{"item,store,stock\np1,s1,0\n", ""},
	} {
		run(step.give)
		got, err := os.ReadFile(path + ".rejected.ndjson")
		if step.want == "" && !errors.Is(err, fs.ErrNotExist) || string(got) != step.want {
			t.Errorf("got %q, %v, want %q", got, err, step.want)
		}
	}
}
