package who

import (
	"fmt"
	"sync"
	"testing"
)

// TestVocabularyGivesEachIDOneNumber asks for the same ids from several goroutines at once.
func TestVocabularyGivesEachIDOneNumber(t *testing.T) {
	t.Parallel()
	v := NewVocabulary()
	const ids, askers = 500, 4
	var numbers [askers][ids]Item
	var group sync.WaitGroup
	for a := range askers {
		group.Go(func() {
			for i := range ids {
				n := (i*7 + a*131) % ids
				id := fmt.Sprint("item ", n)
				if a%2 == 0 {
					numbers[a][n] = v.Number(id)
				} else {
					numbers[a][n] = v.NumberBytes([]byte(id))
				}
			}
		})
	}
	group.Wait()
	if v.Len() != ids {
		t.Fatalf("got %d numbers for %d ids", v.Len(), ids)
	}
	for n := range ids {
		id := fmt.Sprint("item ", n)
		for a := range askers {
			if numbers[a][n] != numbers[0][n] {
				t.Fatalf("%q has the numbers %d and %d", id, numbers[0][n], numbers[a][n])
			}
		}
		if got := v.Name(numbers[0][n]); got != id {
			t.Fatalf("number %d: got %q, want %q", numbers[0][n], got, id)
		}
	}
	if _, ok := v.Lookup("never asked for"); ok || v.Len() != ids {
		t.Error("Lookup gave a number")
	}
}

func TestVocabularyKeepsNoBuffer(t *testing.T) {
	t.Parallel()
	v := NewVocabulary()
	buffer := []byte("milk")
	n := v.NumberBytes(buffer)
	copy(buffer, "soap")
	if got := v.Name(n); got != "milk" {
		t.Errorf("got %q: the reader's buffer was kept", got)
	}
}

func TestNoStoreIsNumberZero(t *testing.T) {
	t.Parallel()
	if n, ok := NewNames().Stores.Lookup(""); !ok || n != 0 {
		t.Errorf("got %d, %v", n, ok)
	}
}
