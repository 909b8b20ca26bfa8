package geo

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestTurnAgreesWithFractions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(31, 32))
	seen := map[int]int{}
	for i := range 30_000 {
		scale := math.Pow(10, -13*rng.Float64())
		base := Point{Lat: rng.Float64() * 80, Lng: rng.Float64() * 170}
		digits := 4 + rng.IntN(13)
		any := func() Point {
			return Point{Lat: decimals(base.Lat+scale*rng.NormFloat64(), digits), Lng: decimals(base.Lng+scale*rng.NormFloat64(), digits)}
		}
		a, b := any(), any()
		f := float64(rng.IntN(9)) / 4
		p := Point{Lat: a.Lat + f*(b.Lat-a.Lat), Lng: a.Lng + f*(b.Lng-a.Lng)} // on the line, or a rounding beside it
		if i%3 == 0 {
			p = any()
		}
		left := new(big.Rat).Mul(new(big.Rat).Sub(fraction(b.Lng), fraction(a.Lng)), new(big.Rat).Sub(fraction(p.Lat), fraction(a.Lat)))
		right := new(big.Rat).Mul(new(big.Rat).Sub(fraction(b.Lat), fraction(a.Lat)), new(big.Rat).Sub(fraction(p.Lng), fraction(a.Lng)))
		want := left.Cmp(right)
		seen[want]++
		if got := turn(a, b, p); got != want {
			t.Fatalf("%v to %v, %v: got %d, want %d", a, b, p, got, want)
		}
		if got := turnExact(a, b, p); got != want {
			t.Fatalf("%v to %v, %v: exactly %d, want %d", a, b, p, got, want)
		}
	}
	for _, side := range []int{-1, 0, 1} {
		if seen[side] < 1000 {
			t.Errorf("only %d on side %d, which proves little", seen[side], side)
		}
	}
}

func TestFloorUnits(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(33, 34))
	for range 50_000 {
		deg := float64(rng.IntN(2*halfTurn)-halfTurn) / unitsPerDegree
		switch rng.IntN(3) {
		case 0:
			deg = math.Nextafter(deg, 500)
		case 1:
			deg = math.Nextafter(deg, -500)
		}
		if deg < -180 || deg > 180 {
			continue
		}
		got, whole := floorUnits(deg)
		exact := fraction(deg)
		low, high := big.NewRat(int64(got), 1), big.NewRat(int64(got)+1, 1)
		if exact.Cmp(low) < 0 || exact.Cmp(high) >= 0 || whole != (exact.Cmp(low) == 0) {
			t.Fatalf("%v: got %d, whole %v, it means %v", deg, got, whole, exact.FloatString(20))
		}
	}
}
