package geo

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestPacked packs geofences of every shape, and finds their text again to the letter, and their areas.
func TestPacked(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(61, 62))
	fences := append(anyFences(rng, 500), full(t)...)
	cells, _, err := NewCellSet(append(CellAt(Point{48, 11}, 7).Children(), CellAt(Point{48, 12}, 6)))
	if err != nil {
		t.Fatal(err)
	}
	fences = append(fences, Geofence{ID: "cells", Name: "cells", Shape: cells})
	var unpack Unpacker
	kinds := map[string]int{}
	for i := range fences {
		g := &fences[i]
		g.Version = 7
		kinds[KindOf(g.Shape)]++
		raw, err := g.AppendPacked(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := unpack.Geofence(raw)
		if err != nil {
			t.Fatalf("%s: %v", g.AppendFeature(nil), err)
		}
		if got, want := back.AppendFeature(nil), g.AppendFeature(nil); !bytes.Equal(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
		if back.Version != 0 {
			t.Fatalf("got version %d, want it left to the store", back.Version)
		}
		if back.Shape.Bounds() != g.Shape.Bounds() {
			t.Fatalf("%s: got the bounds %v, want %v", g.AppendFeature(nil), back.Shape.Bounds(), g.Shape.Bounds())
		}
		for _, p := range probes(rng, fences[i:i+1], 20) {
			if p.Check() != nil {
				continue
			}
			if back.Shape.Contains(p) != g.Shape.Contains(p) || back.Shape.Distance(p) != g.Shape.Distance(p) {
				t.Fatalf("%s at %v: got %v, %v, want %v, %v", g.AppendFeature(nil), p, back.Shape.Contains(p), back.Shape.Distance(p), g.Shape.Contains(p), g.Shape.Distance(p))
			}
		}
		if i >= 20 && i < 500 {
			continue
		}
		for cut := range raw {
			bad := bytes.Clone(raw)
			bad[cut] ^= 0x10
			for _, raw := range [][]byte{raw[:cut], bad} {
				if _, err := UnpackGeofence(raw); !errors.Is(err, ErrPacked) {
					t.Fatalf("%x: got %v, want it refused", raw, err)
				}
			}
		}
	}
	for _, kind := range []string{"circle", "polygon", "corridor", "cells"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s was tried", kind)
		}
	}
}

// FuzzUnpackGeofence holds that what unpacks packs to the same bytes, whatever was in them, once their checksum is right.
func FuzzUnpackGeofence(f *testing.F) {
	rng := rand.New(rand.NewPCG(63, 64))
	for _, g := range anyFences(rng, 50) {
		raw, err := g.AppendPacked(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw[:len(raw)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := UnpackGeofence(withChecksum(body))
		if err != nil {
			if !errors.Is(err, ErrPacked) {
				t.Fatalf("got %v, want ErrPacked", err)
			}
			return
		}
		if _, err := g.AppendPacked(nil); err != nil {
			t.Fatal(err)
		}
	})
}
