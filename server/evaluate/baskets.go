package evaluate

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/recommend/backtest"
	"satnav/sdk-contract/wire"
	"satnav/server/importer"
)

// Baskets asks a server what shoppers will buy next.
type Baskets struct {
	Folder Folder
	Fold   int       // column of the split, from 0
	All    bool      // ask about everybody, learn from nobody's next basket
	Now    time.Time // the day of the next basket; what was bought lies before it
	Limit  int       // length of the lists
	Said   io.Writer // progress, for people
}

// parts of a split.
const (
	trained = "train"
	tested  = "test"
)

// Run imports what was bought, waits for the model, asks, and writes the lists: for each user a line with the id, a tab, and
// the items with a blank between them, the best first.
//
// The protocol is that of the literature: all histories are known, the next baskets of the fold's training users may be
// learnt from (they are imported as later purchases of theirs), those of validation and test users are never sent.
func (b Baskets) Run(ctx context.Context, s *Server, lists io.Writer) (Report, error) {
	role, err := b.roles()
	if err != nil {
		return Report{}, err
	}
	target, users, err := b.targets()
	if err != nil {
		return Report{}, err
	}
	y, m, d := b.Now.UTC().Date()
	at := time.Date(y, m, d, 13, 0, 0, 0, time.UTC) // an hour behind the last that a conversion makes
	began := time.Now()
	rows, err := s.load(ctx, "purchases", func(w io.Writer) error { return b.purchases(w, at, role, target, users) })
	if err != nil {
		return Report{}, err
	}
	imported := time.Since(began)
	fmt.Fprintf(b.Said, "imported %d lines in %.1f s (%.0f a second)\n", rows, imported.Seconds(), float64(rows)/imported.Seconds())
	model, err := s.learnt(ctx)
	if err != nil {
		return Report{}, err
	}
	fmt.Fprintf(b.Said, "learnt model %s in %.1f s\n", model.Version, time.Since(began).Seconds()-imported.Seconds())

	asked := users
	if !b.All && role != nil {
		asked = slices.DeleteFunc(slices.Clone(users), func(user string) bool { return role[user] != tested })
	}
	out := bufio.NewWriter(lists)
	said := map[string][]string{}
	began = time.Now()
	err = s.suggest(ctx, asked, at, wire.SuggestionKindProduct, b.Limit, func(user string, list []string) error {
		said[user] = list
		_, err := fmt.Fprintf(out, "%s\t%s\n", user, strings.Join(list, " "))
		return err
	})
	if err := errors.Join(err, out.Flush()); err != nil {
		return Report{}, err
	}
	took := time.Since(began)
	fmt.Fprintf(b.Said, "asked about %d shoppers in %.1f s (%.0f a second)\n", len(asked), took.Seconds(), float64(len(asked))/took.Seconds())
	shoppers, suggested, err := b.shoppers(role, target, users, said)
	if err != nil {
		return Report{}, err
	}
	methods := append([]backtest.Method{backtest.Lists(engineName, suggested)}, backtest.Baselines(shoppers)...)
	return Report{Model: &model, Context: true, Fold: &b.Fold, Report: backtest.Run(shoppers, methods)}, nil
}

// shoppers are what the methods beside the engine know, which is what was imported, and what the server said of each.
func (b Baskets) shoppers(role map[string]string, target map[string][]string, users []string, said map[string][]string) (all []backtest.Shopper, suggested [][]who.Item, err error) {
	numbers := map[string]who.Item{}
	number := func(item string) who.Item {
		n, ok := numbers[item]
		if !ok {
			n = who.Item(len(numbers) + 1)
			numbers[item] = n
		}
		return n
	}
	set := func(items []string) []who.Item {
		out := make([]who.Item, len(items))
		for i, item := range items {
			out[i] = number(item)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	of := map[string]int{}
	last := "" // basket
	err = b.Folder.each(basketsFile, []string{"user", "basket", "day", "item"}, func(cells []string) error {
		i, known := of[cells[0]]
		if !known {
			i = len(all)
			of[strings.Clone(cells[0])] = i
			all, last = append(all, backtest.Shopper{}), ""
		}
		s := &all[i]
		if len(s.Baskets) == 0 || cells[1] != last {
			day := 7 * float64(len(s.Days)) // as they are imported
			if cells[2] != "" {
				dated, err := strconv.ParseFloat(cells[2], 64)
				if err != nil {
					return err
				}
				day = dated
			} else {
				s.Now = day + 7
			}
			s.Baskets, s.Days, last = append(s.Baskets, nil), append(s.Days, day), strings.Clone(cells[1])
		}
		k := len(s.Baskets) - 1
		s.Baskets[k] = append(s.Baskets[k], number(strings.Clone(cells[3])))
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		for k := range all[i].Baskets {
			slices.Sort(all[i].Baskets[k])
			all[i].Baskets[k] = slices.Compact(all[i].Baskets[k])
		}
	}
	for _, user := range users {
		if _, known := of[user]; !known {
			of[user] = len(all)
			all = append(all, backtest.Shopper{})
		}
	}
	suggested = make([][]who.Item, len(all))
	for _, user := range users {
		i, items := of[user], target[user]
		s := &all[i]
		switch list, asked := said[user]; {
		case asked:
			s.Target = set(items)
			for _, item := range list {
				suggested[i] = append(suggested[i], number(item))
			}
		case !b.All && role[user] == trained:
			s.Baskets, s.Days = append(s.Baskets, set(items)), append(s.Days, s.Now)
		}
	}
	return all, suggested, nil
}

// roles are the parts of the users in the fold; nil: the folder has no split.
func (b Baskets) roles() (map[string]string, error) {
	role := map[string]string{}
	err := b.Folder.each(splitFile, []string{"user", "fold" + strconv.Itoa(b.Fold)}, func(cells []string) error {
		role[cells[0]] = cells[1]
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return role, err
}

// targets are the next baskets, and the users in the order of the file.
func (b Baskets) targets() (of map[string][]string, users []string, err error) {
	of = map[string][]string{}
	err = b.Folder.each(targetsFile, []string{"user", "item"}, func(cells []string) error {
		if _, seen := of[cells[0]]; !seen {
			users = append(users, cells[0])
		}
		of[cells[0]] = append(of[cells[0]], cells[1])
		return nil
	})
	return of, users, err
}

// purchases writes the file that is imported: the histories, then what the training users bought next.
func (b Baskets) purchases(w io.Writer, at time.Time, role map[string]string, target map[string][]string, users []string) error {
	file, err := b.Folder.open(basketsFile)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(w, 64<<10)
	if _, err := importer.ConvertBaskets(file, out, importer.BasketOptions{Now: b.Now}); err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	if !b.All {
		lines := csv.NewWriter(out)
		for _, user := range users {
			if role[user] != trained {
				continue
			}
			for _, item := range target[user] {
				if err := lines.Write([]string{user, at.Format(time.RFC3339), "next", item}); err != nil {
					return err
				}
			}
		}
		lines.Flush()
		if err := lines.Error(); err != nil {
			return err
		}
	}
	return out.Flush()
}
