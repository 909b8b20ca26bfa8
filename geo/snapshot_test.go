package geo

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(51, 52))
	fences := append(anyFences(rng, 300), full(t)...)
	for i := range fences {
		fences[i].Version = int64(i)
		fences[i].ID = fmt.Sprint("id", i)
	}
	x := NewIndex(fences)
	x = x.Edit([]Geofence{{ID: "id7", Shape: anyShape(rng, Point{48, 11})}, {ID: "new", Shape: mustCircle(t, Point{48, 11}, 500)}}, []string{"id3", "id9"})
	var file bytes.Buffer
	if err := x.WriteSnapshot(&file, "version 5"); err != nil {
		t.Fatal(err)
	}
	y, label, err := ReadSnapshot(file.Bytes())
	if err != nil || label != "version 5" || y.Len() != x.Len() || y.ApproachMeters() != x.ApproachMeters() {
		t.Fatalf("got %d geofences, label %q, %v, want %d", y.Len(), label, err, x.Len())
	}
	same := func(step string) {
		for n := range uint32(x.fences.len()) {
			a, b := x.Fence(n), y.Fence(n)
			if (a == nil) != (b == nil) {
				t.Fatalf("%s: number %d is %v, want %v", step, n, b, a)
			}
			if a == nil {
				continue
			}
			if string(a.AppendFeature(nil)) != string(b.AppendFeature(nil)) || a.Version != b.Version {
				t.Fatalf("%s: got %s, want %s", step, b.AppendFeature(nil), a.AppendFeature(nil))
			}
			if m, ok := y.Lookup(a.ID); !ok || m != n {
				t.Fatalf("%s: %s has number %d, %v, want %d", step, a.ID, m, ok, n)
			}
		}
		for _, p := range probes(rng, fences, 1000) {
			if got, want := y.Match(p, nil), x.Match(p, nil); !slices.Equal(got, want) {
				t.Fatalf("%s, %v: got %v, want %v", step, p, got, want)
			}
		}
	}
	same("read")
	put := []Geofence{{ID: "id1", Shape: anyShape(rng, Point{48, 11})}, {ID: "id400", Shape: anyShape(rng, Point{48, 11})}}
	x, y = x.Edit(put, []string{"id2"}), y.Edit(put, []string{"id2"})
	same("edited")
}

func TestReadSnapshotRefuses(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := NewIndex(full(t)).WriteSnapshot(&file, "x"); err != nil {
		t.Fatal(err)
	}
	good := file.Bytes()
	for cut := range good {
		if _, _, err := ReadSnapshot(good[:cut]); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("cut to %d bytes: got %v", cut, err)
		}
		bad := bytes.Clone(good)
		bad[cut] ^= 0x10
		if _, _, err := ReadSnapshot(bad); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("byte %d changed: got %v", cut, err)
		}
	}
	if _, _, err := ReadSnapshot(append(bytes.Clone(good), 0)); !errors.Is(err, ErrSnapshot) {
		t.Errorf("with a byte more: got %v", err)
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := NewIndex(nil).WriteSnapshot(&file, ""); err != nil {
		t.Fatal(err)
	}
	x, _, err := ReadSnapshot(file.Bytes())
	if err != nil || x.Len() != 0 || len(x.Match(Point{1, 1}, nil)) != 0 {
		t.Errorf("got %v, %v", x, err)
	}
}

func BenchmarkReadSnapshot(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var file bytes.Buffer
			if err := NewIndex(newCity(8_000).fences(n)).WriteSnapshot(&file, ""); err != nil {
				b.Fatal(err)
			}
			used := cpuTime()
			for b.Loop() {
				if _, _, err := ReadSnapshot(file.Bytes()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpuTime()-used).Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(file.Len())/float64(n), "B/fence")
		})
	}
}
