package evaluate

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"satnav/sdk-contract/wire"
)

// Places asks a server where users go next.
type Places struct {
	Folder Folder
	Now    time.Time // no check-in is later
	Limit  int       // length of the lists
	Said   io.Writer // progress, for people
}

// checkin is one line of the set.
type checkin struct {
	user, seq, place string
	minute           int
	tested           bool
}

// Run imports the places and all check-ins but those of the part test, waits for the model, and then goes through the rest
// in order of time: it asks where the user goes at that minute, and then tells the server. It writes a line for each: user,
// seq, where the user went, and the list, with tabs between them.
func (p Places) Run(ctx context.Context, s *Server, lists io.Writer) (PlaceReport, error) {
	checkins, stores, err := p.read()
	if err != nil {
		return PlaceReport{}, err
	}
	last := 0
	for _, c := range checkins {
		last = max(last, c.minute)
	}
	// Minute 0 is an hour 0; the set says no more of it.
	start := p.Now.UTC().Add(-time.Duration(last) * time.Minute).Truncate(24 * time.Hour)
	instant := func(c checkin) time.Time { return start.Add(time.Duration(c.minute) * time.Minute) }
	began := time.Now()
	if _, err := s.load(ctx, "stores", func(w io.Writer) error { _, err := w.Write(stores); return err }); err != nil {
		return PlaceReport{}, err
	}
	rows, err := s.load(ctx, "events", func(w io.Writer) error {
		out := csv.NewWriter(w)
		err := out.Write([]string{"shopper", "id", "kind", "store", "at"})
		for _, c := range checkins {
			if !c.tested && err == nil {
				err = out.Write([]string{c.user, "c" + c.seq, "visit", c.place, instant(c).Format(time.RFC3339)})
			}
		}
		out.Flush()
		return cmp.Or(err, out.Error())
	})
	if err != nil {
		return PlaceReport{}, err
	}
	fmt.Fprintf(p.Said, "imported %d visits in %.1f s\n", rows, time.Since(began).Seconds())
	began = time.Now()
	model, err := s.learnt(ctx)
	if err != nil {
		return PlaceReport{}, err
	}
	fmt.Fprintf(p.Said, "learnt model %s in %.1f s\n", model.Version, time.Since(began).Seconds())

	tests := slices.DeleteFunc(checkins, func(c checkin) bool { return !c.tested })
	slices.SortStableFunc(tests, func(a, b checkin) int { return cmp.Compare(a.minute, b.minute) })
	report := PlaceReport{Model: model}
	out := bufio.NewWriter(lists)
	began = time.Now()
	for _, c := range tests {
		err := s.suggest(ctx, []string{c.user}, instant(c), wire.SuggestionKindStore, p.Limit, func(_ string, list []string) error {
			report.count(slices.Index(list, c.place))
			_, err := fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", c.user, c.seq, c.place, strings.Join(list, " "))
			return err
		})
		if err != nil {
			return report, err
		}
		if err := s.visit(ctx, "c"+c.seq, c.user, c.place, instant(c)); err != nil {
			return report, err
		}
	}
	fmt.Fprintf(p.Said, "asked and told %d visits in %.1f s\n", len(tests), time.Since(began).Seconds())
	return report.means(), out.Flush()
}

// PlaceReport is what an evaluation of next places found: shares of the visits that were asked about.
type PlaceReport struct {
	Model  wire.Model `json:"model"`
	Visits int        `json:"visits"`
	At1    float64    `json:"accuracy_1"` // the place stood first
	At5    float64    `json:"accuracy_5"` // among the first five
	At10   float64    `json:"accuracy_10"`
	MRR    float64    `json:"mrr"` // mean of one by the rank
}

// Print writes the report for people.
func (r PlaceReport) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "The next place of %d visits stood first in %.4f, among the first five in %.4f, among the first ten in %.4f; mean reciprocal rank %.4f.\n",
		r.Visits, r.At1, r.At5, r.At10, r.MRR)
	return err
}

// count notes the rank, from 0, at which the place stood; -1: it did not.
func (r *PlaceReport) count(rank int) {
	r.Visits++
	if rank < 0 {
		return
	}
	for cut, sum := range map[int]*float64{1: &r.At1, 5: &r.At5, 10: &r.At10} {
		if rank < cut {
			*sum++
		}
	}
	r.MRR += 1 / float64(rank+1)
}

func (r PlaceReport) means() PlaceReport {
	n := float64(max(r.Visits, 1))
	r.At1, r.At5, r.At10, r.MRR = r.At1/n, r.At5/n, r.At10/n, r.MRR/n
	return r
}

// read reads the check-ins, and the places as a file of stores: each where its first check-in was.
func (p Places) read() (checkins []checkin, stores []byte, err error) {
	var file bytes.Buffer
	rows := csv.NewWriter(&file)
	if err := rows.Write([]string{"store", "name", "lat", "lng"}); err != nil {
		return nil, nil, err
	}
	known := map[string]bool{}
	err = p.Folder.each(checkinsFile, []string{"user", "seq", "minute", "poi", "lat", "lng", "split"}, func(cells []string) error {
		minute, err := strconv.Atoi(cells[2])
		if err != nil || minute < 0 {
			return fmt.Errorf("minute: got %q, want a number from 0 on", cells[2])
		}
		c := checkin{user: cells[0], seq: cells[1], place: cells[3], minute: minute, tested: cells[6] == tested}
		checkins = append(checkins, c)
		if known[c.place] {
			return nil
		}
		known[c.place] = true
		return rows.Write([]string{c.place, c.place, cells[4], cells[5]})
	})
	rows.Flush()
	return checkins, file.Bytes(), cmp.Or(err, rows.Error())
}
