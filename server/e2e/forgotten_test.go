package e2e

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/server/identity"
	"satnav/server/privacy"
	"satnav/server/store"
)

// TestForgottenAreUnlearnt holds that a model that has seen somebody who was forgotten goes within the day, also over a
// restart, and where too little is left to learn another one: the one that follows is that of the shoppers who are left.
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
	var lesson int64
	unlearnt := func() bool {
		t.Helper()
		done, err := h.app.Retailers.Unlearnt(t.Context(), "weekly", lesson)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	receipt, err := h.app.Erasures.Erase(t.Context(), who.Key{Retailer: "weekly", Shopper: "w1-7"}, privacy.Actor{Role: "admin"}, "")
	if err != nil || receipt.Proof.Documents < 20 {
		t.Fatalf("erased: %+v, %v", receipt, err)
	}
	erasure, err := store.NewErasures(h.app.Documents).Get(t.Context(), "weekly", receipt.ID)
	if lesson = erasure.Lesson; err != nil || lesson == 0 {
		t.Fatalf("erasure: %+v, %v", erasure, err)
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
	learnt, err := h.app.Retailers.Lesson(t.Context(), "weekly")
	if err != nil {
		t.Fatal(err)
	}
	if learnt.Model.Version == before {
		t.Errorf("the model in service is still %s, which has seen somebody who was forgotten", before)
	}
	if !learnt.Model.Learned.After(erased) {
		t.Errorf("the model was learnt at %s, before %s", learnt.Model.Learned, erased)
	}
	if err := h.app.Erasures.Sweep(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if proof, err := h.app.Erasures.Proof(t.Context(), "weekly", receipt.ID); err != nil || proof.Completed.IsZero() {
		t.Errorf("proof: %+v, %v", proof, err)
	}

	// It is the model that somebody learns who was never told of the one who is gone.
	var others strings.Builder
	for line := range strings.Lines(weekly(120, 1)) {
		if !strings.HasPrefix(line, "w1-7,") {
			others.WriteString(line)
		}
	}
	twin := newHouse(t, plan{})
	till = twin.role(t, identity.Backend, "weekly")
	twin.upload(t, till, "purchases", "", others.String(), "Content-Type", "text/csv")
	eventually(t, "the twin has learnt", func() bool { return !twin.models(t, till).Learning })
	want, err := twin.app.Retailers.Lesson(t.Context(), "weekly")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := bare(t, learnt.Model), bare(t, want.Model); got != want {
		t.Errorf("the model is not the one of those who are left:\n%.1500s\nwant\n%.1500s", got, want)
	}
}

// bare is a model without what differs between two that were learnt of the same.
func bare(t *testing.T, m *recommend.Model) string {
	t.Helper()
	same := *m
	same.Version, same.Learned = "", time.Time{}
	text, err := json.Marshal(same)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
