package importer

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// BasketOptions say when the baskets of a research data set happened.
type BasketOptions struct {
	// Now is day 0 of the data set.
	Now time.Time
	// Step lies between two baskets of a shopper when the set has no days, and between the last and Now;
	// 0 means 7 days.
	Step time.Duration
	// Products gets a products.csv with every item of the set, titled by its id. nil: none is written.
	Products io.Writer
}

// BasketSummary is what a conversion read.
type BasketSummary struct{ Shoppers, Baskets, Lines, Items int }

// ConvertBaskets turns a basket data set, as research on next baskets publishes them, into a purchases.csv
// (see purchaseColumns). The input is CSV, gzip or not, with the columns user, basket, day and item: one
// line per item bought; basket counts a user's baskets from the oldest; day is the number of days before
// "now" (0 or less), or empty, and then the order of the baskets gives the days: the last one lies one
// Step before Now. A user's lines stand together.
//
// Each basket gets an instant of its own (noon UTC of its day, and a second for each basket before it), so
// that two baskets of one day keep their order. A line that cannot be understood ends the conversion: a
// data set is repaired, not skipped over.
func ConvertBaskets(r io.Reader, purchases io.Writer, opts BasketOptions) (BasketSummary, error) {
	var summary BasketSummary
	step := cmp.Or(opts.Step, 7*24*time.Hour)
	y, m, d := opts.Now.UTC().Date()
	noon := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)

	rows, err := OpenSet(r, "user", "basket", "day", "item")
	if err != nil {
		return summary, fmt.Errorf("baskets: %w", err)
	}
	out := bufio.NewWriterSize(purchases, 64<<10)
	w := csv.NewWriter(out)
	if err := w.Write([]string{"shopper", "at", "basket", "item"}); err != nil {
		return summary, err
	}
	items := map[string]bool{}
	finished := map[string]bool{}

	type line struct {
		basket int
		day    int
		dated  bool
		item   string
	}
	var user string
	var own []line // of user
	flush := func() error {
		if len(own) == 0 {
			return nil
		}
		if finished[user] {
			return fmt.Errorf("line %d: user %q stood further up already: sort the lines by user", rows.Line, user)
		}
		finished[user] = true
		summary.Shoppers++
		slices.SortStableFunc(own, func(a, b line) int { return a.basket - b.basket })
		last := own[len(own)-1].basket
		for i, l := range own {
			at := noon.Add(-time.Duration(last-l.basket+1) * step)
			if l.dated {
				at = noon.AddDate(0, 0, l.day)
			}
			at = at.Add(time.Duration(l.basket) * time.Second)
			if i == 0 || own[i-1].basket != l.basket {
				summary.Baskets++
			}
			summary.Lines++
			if err := w.Write([]string{user, at.Format(time.RFC3339), strconv.Itoa(l.basket), l.item}); err != nil {
				return err
			}
		}
		own = own[:0]
		return nil
	}
	for {
		cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return summary, fmt.Errorf("baskets: %w", err)
		}
		if cells[0] != user {
			if err := flush(); err != nil {
				return summary, fmt.Errorf("baskets: %w", err)
			}
			user = cells[0]
		}
		l := line{item: cells[3], dated: cells[2] != ""}
		if l.basket, err = strconv.Atoi(cells[1]); err != nil || l.basket < 0 {
			return summary, fmt.Errorf("baskets: line %d, basket: got %q, want a number from 0 on", rows.Line, cells[1])
		}
		if l.dated {
			if l.day, err = strconv.Atoi(cells[2]); err != nil || l.day > 0 || l.day < -100*366 {
				return summary, fmt.Errorf("baskets: line %d, day: got %q, want 0 or a negative number of days before now, or nothing", rows.Line, cells[2])
			}
		}
		if user == "" || l.item == "" {
			return summary, fmt.Errorf("baskets: line %d: user and item must not be empty", rows.Line)
		}
		items[l.item] = true
		own = append(own, l)
	}
	if err := flush(); err != nil {
		return summary, fmt.Errorf("baskets: %w", err)
	}
	w.Flush()
	if err := errors.Join(w.Error(), out.Flush()); err != nil {
		return summary, fmt.Errorf("write purchases: %w", err)
	}
	summary.Items = len(items)
	if opts.Products == nil {
		return summary, nil
	}
	w = csv.NewWriter(opts.Products)
	if err := w.Write([]string{"item", "title"}); err != nil {
		return summary, fmt.Errorf("write products: %w", err)
	}
	for _, item := range sortedKeys(items) {
		if err := w.Write([]string{item, item}); err != nil {
			return summary, fmt.Errorf("write products: %w", err)
		}
	}
	w.Flush()
	return summary, w.Error()
}

// sortedKeys are the keys of m in order, numbers by value.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return keys
}

// DataSet reads the named columns of a CSV file that a tool made, so every line counts.
type DataSet struct {
	Line  int // of the cells that were read last
	in    *csv.Reader
	at    []int // column of each name
	cells []string
}

// OpenSet opens a data set, gzip or not. Columns that are not named are passed over.
func OpenSet(r io.Reader, names ...string) (*DataSet, error) {
	text, err := plain(r, 0)
	if err != nil {
		return nil, err
	}
	s := &DataSet{in: csv.NewReader(text), cells: make([]string, len(names)), Line: 1}
	s.in.ReuseRecord = true
	header, err := s.in.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the file is empty: want a header line with %v", names)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		i := slices.Index(header, name)
		if i < 0 {
			return nil, fmt.Errorf("line 1: missing column %s: got %v, want %v", name, header, names)
		}
		s.at = append(s.at, i)
	}
	return s, nil
}

// Next returns the cells of one line, in the order of the names. They are valid until the next call.
func (s *DataSet) Next() ([]string, error) {
	record, err := s.in.Read()
	if err != nil {
		return nil, err // csv's own errors name the line
	}
	s.Line, _ = s.in.FieldPos(0)
	for i, at := range s.at {
		s.cells[i] = record[at]
	}
	return s.cells, nil
}
