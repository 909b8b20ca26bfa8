package decision

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"satnav/server/store"
)

// Gap is a time of which decision records may be missing.
type Gap struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// Why records are missing.
const (
	GapStopped = "stopped" // a process ended without warning (a power cut): at most the last second before that is missing
	GapCrowded = "crowded" // there were more calls than could be noted
)

// Timing and bounds of the diary that a process keeps of itself.
const (
	beatBusy  = 10 * time.Second // how often it notes that it keeps records, while there are any
	beatIdle  = 10 * time.Minute // and when there are none
	maxGaps   = 100              // of one process
	gapMerge  = time.Minute      // two losses that are no further apart are one gap
	notePlace = "decisions/"     // then the process
)

// journal is what one process notes of itself. It is there while the process keeps records, and as long as it tells of gaps.
type journal struct {
	Until time.Time `json:"until"` // all before is kept
	Clean bool      `json:"clean"` // nothing came after
	Gaps  []Gap     `json:"gaps,omitempty"`
}

// gaps knows of which times records may be missing: those that this process lost, and those that others did.
type gaps struct {
	notes store.Notes
	Config
	name string

	mu     sync.Mutex
	mine   journal
	others []Gap
	moved  bool // mine has something to say that is not noted yet
	looked time.Time
}

func newGaps(notes store.Notes, config Config) *gaps {
	return &gaps{notes: notes, Config: config, name: notePlace + ulid.Make().String()}
}

// open reads what processes before this one left behind, and says that this one is here.
func (g *gaps) open(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mine.Until.IsZero() {
		g.look(ctx, true)
		g.note(ctx, false)
	}
}

// look reads the notes of all processes. One that has been silent for too long ended without warning. At the start of a
// process whose store is its own every other one has ended.
func (g *gaps) look(ctx context.Context, start bool) {
	g.looked = g.Now()
	found, err := g.notes.List(ctx, notePlace)
	if err != nil {
		g.Log.Error("the gaps in decision records cannot be read", "err", err)
		return
	}
	g.others = nil
	for id, text := range found {
		name := notePlace + id
		if name == g.name {
			continue
		}
		var of journal
		if err := json.Unmarshal(text, &of); err != nil {
			g.Log.Error("a note on decision records cannot be read", "note", name, "err", err)
			continue
		}
		ended := g.looked.Sub(of.Until) > 2*beatIdle || start && g.Alone
		if ended && !of.Clean {
			end := of.Until.Add(beatIdle)
			if end.After(g.looked) {
				end = g.looked
			}
			of.Gaps, of.Clean = append(of.Gaps, Gap{of.Until, end, GapStopped}), true
			g.put(ctx, name, of)
		}
		of.Gaps = slices.DeleteFunc(of.Gaps, g.old)
		if ended && len(of.Gaps) == 0 {
			if err := g.notes.Drop(ctx, name); err != nil {
				g.Log.Error("a note on decision records cannot be removed", "note", name, "err", err)
			}
		}
		g.others = append(g.others, of.Gaps...)
	}
}

// old tells whether a gap is from before all records that are still kept.
func (g *gaps) old(gap Gap) bool { return gap.Until.Before(g.Now().Add(-g.Keep)) }

func (g *gaps) put(ctx context.Context, name string, j journal) bool {
	text, err := json.Marshal(j)
	if err == nil {
		err = g.notes.Put(ctx, name, text)
	}
	if err != nil && ctx.Err() == nil {
		g.Log.Error("gaps in decision records cannot be noted", "err", err)
	}
	return err == nil
}

// note writes what this process says of itself now.
func (g *gaps) note(ctx context.Context, clean bool) {
	g.mine.Until, g.mine.Clean = g.Now(), clean
	g.mine.Gaps = slices.DeleteFunc(g.mine.Gaps, g.old)
	g.moved = !g.put(ctx, g.name, g.mine)
}

// beat is told after each round. busy: the round committed something.
func (g *gaps) beat(ctx context.Context, busy bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	since := g.Now().Sub(g.mine.Until)
	if since >= beatIdle || since >= beatBusy && (busy || g.moved) {
		g.note(ctx, false)
	}
	if g.Now().Sub(g.looked) >= beatIdle {
		g.look(ctx, false)
	}
}

// close says that nothing is missing, if that is so. A process that never kept anything says nothing.
func (g *gaps) close(ctx context.Context, clean bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mine.Until.IsZero() {
		return
	}
	if clean && len(g.mine.Gaps) == 0 {
		if err := g.notes.Drop(ctx, g.name); err != nil {
			g.Log.Error("a note on decision records cannot be removed", "note", g.name, "err", err)
		}
		return
	}
	g.note(ctx, clean)
}

// dropped is told of a record that was lost.
func (g *gaps) dropped(at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moved = true
	if n := len(g.mine.Gaps); n > 0 {
		last := &g.mine.Gaps[n-1]
		if last.Why == GapCrowded && at.Sub(last.Until).Abs() <= gapMerge || n == maxGaps {
			if at.After(last.Until) {
				last.Until = at
			}
			return
		}
	}
	g.mine.Gaps = append(g.mine.Gaps, Gap{at, at, GapCrowded})
}

// between lists the gaps that touch a time, the newest first.
func (g *gaps) between(from, until time.Time) []Gap {
	g.mu.Lock()
	defer g.mu.Unlock()
	var found []Gap
	for _, list := range [][]Gap{g.mine.Gaps, g.others} {
		for _, gap := range list {
			if gap.Until.Before(from) || !until.IsZero() && gap.From.After(until) || g.old(gap) {
				continue
			}
			found = append(found, gap)
		}
	}
	slices.SortFunc(found, func(a, b Gap) int { return b.From.Compare(a.From) })
	return found
}
