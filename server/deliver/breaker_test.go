package deliver

import (
	"testing"
	"time"
)

// A breaker opens after failures in a row, lets one message through after a rest, and rests longer each time.
func TestBreaker(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	b := breaker{first: time.Second}
	for n := range breakAfter {
		if !b.allow(now) {
			t.Fatalf("closed after %d failures", n)
		}
		if turned := b.done(false, now); turned != (n == breakAfter-1) {
			t.Errorf("failure %d: turned %v", n, turned)
		}
	}
	before := time.Duration(0)
	for range 12 {
		rest := b.rest(now)
		if rest <= 0 || rest > longestRest*3/2 || rest < before/4 {
			t.Fatalf("rest: got %s after %s", rest, before)
		}
		if b.allow(now) {
			t.Fatal("let one through while it rests")
		}
		now = now.Add(rest)
		if !b.allow(now) {
			t.Fatal("lets nobody try after its rest")
		}
		if b.allow(now) {
			t.Fatal("lets two try at once")
		}
		before = rest
		b.done(false, now)
	}
	now = now.Add(b.rest(now))
	if !b.allow(now) || !b.done(true, now) {
		t.Fatal("a success does not close it")
	}
	if b.rest(now) != 0 || !b.allow(now) || !b.allow(now) {
		t.Error("a closed one holds messages up")
	}
}

// Waits grow to the longest, and their sum until a letter is given up is more than a day.
func TestBackoff(t *testing.T) {
	t.Parallel()
	d := Defaults()
	total := time.Duration(0)
	for n := range 100 {
		wait := doubled(d.First, n, d.Longest)
		if wait > d.Longest || wait < d.First {
			t.Fatalf("wait %d: got %s", n, wait)
		}
		if j := jittered(wait); j < wait/2 || j > wait*3/2 {
			t.Fatalf("jitter of %s: got %s", wait, j)
		}
		total += wait
	}
	if d.GiveUp < 24*time.Hour || total < d.GiveUp {
		t.Errorf("given up after %s, the first 100 tries take %s", d.GiveUp, total)
	}
}
