package e2e

import (
	"sync/atomic"
	"testing"
	"time"

	"satnav/server/identity"
)

// TestForgottenAreUnlearnt holds that a model that has seen somebody who was forgotten goes within the day, also over a
// restart, and where too little is left to learn another one.
func TestForgottenAreUnlearnt(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // of the clock, in hours
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load()) * time.Hour) }
	data := t.TempDir()
	h := newHouse(t, plan{data: data, now: now})
	till := h.role(t, identity.Backend, "weekly")
	h.upload(t, till, "purchases", "", weekly(120, 1), "Content-Type", "text/csv")
	eventually(t, "learnt", func() bool { return !h.models(t, till).Learning })
	before := h.models(t, till).Current.Version

	erased := now()
	unlearnt := func() bool {
		t.Helper()
		done, err := h.app.Retailers.Unlearnt(t.Context(), "weekly", erased)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if err := h.app.Retailers.Forgotten(t.Context(), "weekly", erased); err != nil {
		t.Fatal(err)
	}
	if unlearnt() || h.models(t, till).Current.Version != before {
		t.Fatal("it was unlearnt before anything was learnt anew")
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	ahead.Store(23) // tokens are good for an hour: this one is asked of the app itself
	h = newHouse(t, plan{data: data, now: now})
	eventually(t, "unlearnt", unlearnt)
	lesson, err := h.app.Retailers.Lesson(t.Context(), "weekly")
	if err != nil {
		t.Fatal(err)
	}
	if lesson.Model.Version == before {
		t.Errorf("the model in service is still %s, which has seen somebody who was forgotten", before)
	}
	if !lesson.Model.Learned.After(erased) {
		t.Errorf("the model was learnt at %s, before %s", lesson.Model.Learned, erased)
	}
}
