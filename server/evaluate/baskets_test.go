package evaluate

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend/backtest"
)

var now = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// folder makes a folder of research data.
func folder(t *testing.T, files map[string]string) Folder {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Folder(dir)
}

// basketsOf makes lists of item numbers; nil stays nil.
func basketsOf(lists ...[]uint32) [][]who.Item {
	out := make([][]who.Item, len(lists))
	for i, list := range lists {
		for _, n := range list {
			out[i] = append(out[i], who.Item(n))
		}
	}
	return out
}

var small = map[string]string{
	"baskets.csv": "user,basket,day,item\na,0,-8,x\na,0,-8,y\na,1,-1,x\nb,0,-3,z\nc,0,-5,x\n",
	"targets.csv": "user,item\na,secret-a\nb,learnt-b\nc,secret-c\nc,x\n",
	"split.csv":   "user,fold0,fold1\na,test,val\nb,train,train\nc,val,test\n",
}

// TestOnlyTrainingTargetsAreSent holds the protocol: what validation and test users bought next never leaves the folder.
func TestOnlyTrainingTargetsAreSent(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		give Baskets
		want string
	}{
		{"a fold", Baskets{Fold: 0, Now: now}, "b,2026-11-20T13:00:00Z,next,learnt-b"},
		{"another fold", Baskets{Fold: 1, Now: now}, "b,2026-11-20T13:00:00Z,next,learnt-b"},
		{"everybody", Baskets{All: true, Now: now}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.give.Folder = folder(t, small)
			role, err := tc.give.roles()
			if err != nil {
				t.Fatal(err)
			}
			target, users, err := tc.give.targets()
			if err != nil {
				t.Fatal(err)
			}
			var sent bytes.Buffer
			at := now.Add(13 * time.Hour)
			if err := tc.give.purchases(&sent, at, role, target, users); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(sent.String()), "\n")
			if strings.Contains(sent.String(), "secret") || len(lines) < 6 || !strings.HasPrefix(lines[1], "a,2026-11-12T") {
				t.Fatalf("got\n%s", sent.String())
			}
			if got := strings.Join(lines[6:], "\n"); got != tc.want {
				t.Errorf("after the histories: got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestMethodsKnowWhatWasImported holds that the methods beside the server know what it knows, and no more.
func TestMethodsKnowWhatWasImported(t *testing.T) {
	t.Parallel()
	b := Baskets{Folder: folder(t, small), Now: now}
	role, err := b.roles()
	if err != nil {
		t.Fatal(err)
	}
	target, users, err := b.targets()
	if err != nil {
		t.Fatal(err)
	}
	shoppers, suggested, err := b.shoppers(role, target, users, map[string][]string{"a": {"y", "secret-a", "new"}})
	if err != nil {
		t.Fatal(err)
	}
	// Numbers in the order of appearance: x 1, y 2, z 3, then secret-a 4, new 5, learnt-b 6.
	want := []backtest.Shopper{
		{Baskets: basketsOf([]uint32{1, 2}, []uint32{1}), Days: []float64{-8, -1}, Target: basketsOf([]uint32{4})[0]},
		{Baskets: basketsOf([]uint32{3}, []uint32{6}), Days: []float64{-3, 0}},
		{Baskets: basketsOf([]uint32{1}), Days: []float64{-5}},
	}
	if !reflect.DeepEqual(shoppers, want) {
		t.Errorf("got %+v, want %+v", shoppers, want)
	}
	if !reflect.DeepEqual(suggested, basketsOf([]uint32{2, 4, 5}, nil, nil)) {
		t.Errorf("got lists %v", suggested)
	}
}

func TestFolderSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, text, want string }{
		{"no such column", "split.csv", "user,fold1\na,test\n", "missing column fold0"},
		{"no number", "checkins.csv", "user,seq,minute,poi,lat,lng,split\na,0,soon,p,1,1,train\n", "minute: got \"soon\""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := folder(t, map[string]string{tc.file: tc.text})
			_, err := Baskets{Folder: f}.roles()
			if tc.file == checkinsFile {
				_, _, err = Places{Folder: f}.read()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to say %s", err, tc.want)
			}
		})
	}
	if _, err := folder(t, nil).Places(); err == nil || !strings.Contains(err.Error(), "neither") {
		t.Errorf("of an empty folder: got %v", err)
	}
}
