package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// weekly is a file of purchases of a shop in which everybody buys one of 40 staples each week, and two fads that
// nobody buys twice.
func weekly(shoppers int, seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 7))
	var file strings.Builder
	file.WriteString("shopper,at,basket,item\n")
	for i := range shoppers {
		staple, fads := random.IntN(40), random.Perm(30)
		for week := range 5 + random.IntN(5) {
			day := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC).AddDate(0, 0, 7*week).Format(time.RFC3339)
			fmt.Fprintf(&file, "w%d-%d,%s,b%d,staple-%d\n", seed, i, day, week, staple)
			fmt.Fprintf(&file, "w%d-%d,%s,b%d,fad-%d\n", seed, i, day, week, fads[2*week])
			fmt.Fprintf(&file, "w%d-%d,%s,b%d,fad-%d\n", seed, i, day, week, fads[2*week+1])
		}
	}
	return file.String()
}

func (h *house) models(t testing.TB, token string) wire.Models {
	t.Helper()
	return read[wire.Models](h.call(t, token, "GET", "/v1/models", nil).wants(200))
}

// TestImportIsLearnt follows an import through /v1/models: learning from its first line on, until a model of all of it
// is in service.
func TestImportIsLearnt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, plan{})
	till := h.role(t, identity.Backend, "weekly")
	if got := h.models(t, till); got.Learning || got.Current.Version != "built-in" || !got.Current.LearnedAt.IsZero() || len(got.Current.Figures) != 0 {
		t.Fatalf("of a new retailer: got %+v", got)
	}
	file := weekly(200, 1)
	half := strings.LastIndexByte(file[:len(file)/2], '\n') + 1
	from, to := io.Pipe()
	ended := make(chan wire.ImportReport)
	go func() { // not through the validator, which reads a body to its end first
		ended <- read[wire.ImportReport](h.stream(t, till, "POST", "/v1/import/purchases", io.MultiReader(from), "Content-Type", "text/csv").wants(200))
	}()
	if _, err := io.WriteString(to, file[:half]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "learning, while the file is on its way", func() bool { return h.models(t, till).Learning })
	if _, err := io.WriteString(to, file[half:]); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	report := <-ended
	// From here on every look that finds no learning must find the model.
	var got wire.Models
	eventually(t, "learnt", func() bool { got = h.models(t, till); return !got.Learning })
	learnt := got.Current
	if learnt.Version == "built-in" || learnt.LearnedAt.IsZero() || learnt.Lines != report.Stored || learnt.Shoppers != 200 || learnt.Visits != 0 {
		t.Errorf("got %+v, want a model of %d lines", learnt, report.Stored)
	}
	if len(learnt.Figures) < 3 || learnt.Figures[0].Recall10 <= learnt.Figures[len(learnt.Figures)-1].Recall10/2 {
		t.Errorf("got figures %+v, want those of the model, and of plain methods beside it", learnt.Figures)
	}
	if again := h.upload(t, till, "purchases", "", file, "Content-Type", "text/csv"); again.Unchanged != report.Stored {
		t.Fatalf("again: got %+v", again)
	}
	if got := h.models(t, till); got.Learning || got.Current.Version != learnt.Version {
		t.Errorf("after an import that brought nothing: got %+v", got)
	}
	h.upload(t, till, "purchases", "", weekly(60, 2), "Content-Type", "text/csv")
	if got := h.models(t, till); !got.Learning && got.Current.Lines == learnt.Lines {
		t.Error("an import ended, and neither is it being learnt nor has it been")
	}
	eventually(t, "learnt again", func() bool { got = h.models(t, till); return !got.Learning })
	if got.Current.Shoppers != 260 {
		t.Errorf("got %+v, want all shoppers", got.Current)
	}
}

// TestVisitsAreLearnt holds that visits alone, too, are learnt from.
func TestVisitsAreLearnt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, plan{})
	till := h.role(t, identity.Backend, "town")
	var stores, visits strings.Builder
	stores.WriteString("store,lat,lng,zone\n")
	visits.WriteString("shopper,id,kind,store,at\n")
	for i := range 30 {
		fmt.Fprintf(&stores, "s%d,%g,-9.14,Europe/Lisbon\n", i, 38.7+float64(i*17%30)/100)
	}
	random := rand.New(rand.NewPCG(3, 3))
	for i := range 80 {
		first := random.IntN(30)
		for k := range 12 {
			at := time.Date(2026, 3, 2, 9+k, 0, 0, 0, time.UTC)
			fmt.Fprintf(&visits, "t%d,v%d,visit,s%d,%s\n", i, k, (first+k)%30, at.Format(time.RFC3339))
		}
	}
	h.upload(t, till, "stores", "", stores.String(), "Content-Type", "text/csv")
	h.upload(t, till, "events", "", visits.String(), "Content-Type", "text/csv")
	var got wire.Models
	eventually(t, "learnt", func() bool { got = h.models(t, till); return !got.Learning })
	if got.Current.Version == "built-in" || got.Current.Visits != 80*12 {
		t.Errorf("got %+v, want a model of all visits", got.Current)
	}
}

// TestModelOutlivesRestart holds that a restarted server has the model, and does not learn the same again.
func TestModelOutlivesRestart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h := newHouse(t, plan{data: data})
	till := h.role(t, identity.Backend, "weekly")
	h.upload(t, till, "purchases", "", weekly(120, 1), "Content-Type", "text/csv")
	var before wire.Models
	eventually(t, "learnt", func() bool { before = h.models(t, till); return !before.Learning })
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h = newHouse(t, plan{data: data})
	got := h.models(t, h.role(t, identity.Backend, "weekly"))
	if got.Learning || got.Current.Version != before.Current.Version || got.Current.Lines != before.Current.Lines {
		t.Errorf("after a restart: got %+v, want %+v", got, before)
	}
}

// TestModelMetrics holds that operators see the figures of the model in service.
func TestModelMetrics(t *testing.T) {
	t.Parallel()
	address := freeAddress()
	h := newHouse(t, plan{set: func(c *config.Config) { c.OperatorListen = address }})
	till := h.role(t, identity.Backend, "weekly")
	h.upload(t, till, "purchases", "", weekly(120, 1), "Content-Type", "text/csv")
	eventually(t, "learnt", func() bool { return !h.models(t, till).Learning })
	metrics := string((&house{url: "http://" + address}).try(t, http.DefaultClient, "", "GET", "/metrics", nil).wants(200).body)
	for _, want := range []string{
		`satnav_learning{retailer="weekly"} 0`, `satnav_model_figure{figure="recall_10",method="popular",retailer="weekly"} 0.`,
		`satnav_model_lines{retailer="weekly"} `, `satnav_model_learned_timestamp_seconds{retailer="weekly"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
