package geo

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

func TestReplayTellsTheSameTwice(t *testing.T) {
	t.Parallel()
	fences := town(t)
	fixes := wander(7, 400)
	run := func(fixes []Fix) (text []byte, count int) {
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		for c := range Replay(fences, fixes, fixes[len(fixes)-1].At.Add(25*time.Hour)) {
			if err := encoder.Encode(c); err != nil {
				t.Fatal(err)
			}
			count++
		}
		return out.Bytes(), count
	}
	first, count := run(fixes)
	if count < 10 {
		t.Fatalf("got %d crossings, want a track that crosses more", count)
	}
	if again, _ := run(fixes); !bytes.Equal(first, again) {
		t.Error("got another replay of the same track")
	}
	last := fixes[len(fixes)-1]
	shuffled := append([]Fix{}, fixes[:len(fixes)-1]...)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if again, _ := run(append(shuffled, last)); !bytes.Equal(first, again) {
		t.Error("got another replay of the same track in another order")
	}
}

func TestReplaySeesDrafts(t *testing.T) {
	t.Parallel()
	circle, err := NewCircle(noiseMiddle, 60)
	if err != nil {
		t.Fatal(err)
	}
	fences := NewIndex([]Geofence{{ID: "draft", Status: Draft, Version: 1, Shape: circle, Wants: WantEnter}})
	fix := Fix{At: noiseStart, Point: noiseMiddle, AccuracyMeters: 10}
	var got []Kind
	for c := range Replay(fences, []Fix{fix}, noiseStart.Add(25*time.Hour)) {
		got = append(got, c.Kind)
	}
	if len(got) != 2 || got[0] != Enter || got[1] != Exit {
		t.Errorf("a draft, replayed: got %v, want an enter, and an exit after a day of silence", got)
	}
	if _, crossings := Advance(fences, Presence{Shopper: "s"}, fix); len(crossings) > 0 {
		t.Errorf("a draft, live: got %v, want nothing", crossings)
	}
}
