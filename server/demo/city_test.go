package demo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/geo"
	"satnav/server/importer"
)

var until = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// digest is a hash over everything that a city tells.
func digest(c *City) string {
	h := sha256.New()
	for _, s := range c.Stores() {
		fmt.Fprintln(h, s)
	}
	for _, p := range c.Products() {
		fmt.Fprintln(h, p)
	}
	for _, s := range c.Stock() {
		fmt.Fprintln(h, s)
	}
	for _, g := range c.Geofences() {
		fmt.Fprintln(h, string(g.Feature))
	}
	for p := range c.Purchases() {
		fmt.Fprintln(h, p)
	}
	for e := range c.Events() {
		fmt.Fprintln(h, e)
	}
	for _, w := range c.Walks() {
		fmt.Fprintln(h, w.Name, w.Shopper, w.Fixes)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestCityIsAFunctionOfSeedScaleAndDate(t *testing.T) {
	t.Parallel()
	scale := Scale{Shoppers: 150, Days: 120}
	one := digest(New(7, scale, until))
	for _, test := range []struct {
		name string
		city *City
		same bool
	}{
		{"again", New(7, scale, until), true},
		{"at another time of the same day in Lisbon", New(7, scale, until.Add(10*time.Hour)), true},
		{"another seed", New(8, scale, until), false},
		{"another day", New(7, scale, until.AddDate(0, 0, 1)), false},
		{"more shoppers", New(7, Scale{Shoppers: 151, Days: 120}, until), false},
	} {
		if got := digest(test.city); (got == one) != test.same {
			t.Errorf("%s: same city: got %v, want %v", test.name, got == one, test.same)
		}
	}
}

// A larger city has the same first shoppers: a bench at 100,000 runs on the demo's people too.
func TestScaleKeepsTheFirstShoppers(t *testing.T) {
	t.Parallel()
	of := func(shoppers int) (lines []importer.Purchase) {
		for p := range New(7, Scale{Shoppers: shoppers, Days: 60}, until).Purchases() {
			if p.Shopper > "u000020" {
				break
			}
			lines = append(lines, p)
		}
		return lines
	}
	if few, many := of(20), of(100_000); len(few) == 0 || !slices.Equal(few, many) {
		t.Errorf("got %d lines among 20 shoppers, and other %d among 100,000", len(few), len(many))
	}
}

func TestCityIsComplete(t *testing.T) {
	t.Parallel()
	c := New(1, Scale{}, until)
	if n := len(c.Stores()); n < 30 {
		t.Errorf("got %d stores, want at least 30", n)
	}
	ids := map[string]bool{}
	for _, s := range c.Stores() {
		if ids[s.ID] || s.Name == "" || s.Zone.String() != ZoneName || s.Position.Lat < 38.69 || s.Position.Lat > 38.80 || s.Position.Lng < -9.23 || s.Position.Lng > -9.09 {
			t.Errorf("got %+v", s)
		}
		ids[s.ID] = true
		if hours, err := geo.ParseHours(s.Hours, s.Zone); err != nil || !hours.Open(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)) || hours.Open(time.Date(2026, 12, 25, 12, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: open on a Friday at noon, closed at Christmas: got %q, %v", s.ID, s.Hours, err)
		}
	}

	shapes, drafts, scheduled, dwells, linked := map[string]int{}, 0, 0, 0, 0
	fences := c.Geofences()
	seen := map[string]bool{}
	for _, g := range fences {
		if seen[g.ID] || len(g.Mended) > 0 || len(g.Tags) == 0 {
			t.Errorf("%s: twice, mended (%v) or without tags", g.ID, g.Mended)
		}
		seen[g.ID] = true
		shapes[fmt.Sprintf("%T", g.Shape)]++
		if strings.Contains(string(g.Feature), `"MultiPolygon"`) {
			shapes["of several parts"]++
		}
		if g.ID == "river-market" && g.Shape.Contains(riverMarket) {
			t.Error("the courtyard of river-market is no hole")
		}
		drafts += count(g.Status == geo.Draft)
		scheduled += count(g.Schedule != nil)
		dwells += count(g.Dwell > 0)
		if g.Store != "" {
			linked++
			if !ids[g.Store] {
				t.Errorf("%s is linked to %s, which is no store", g.ID, g.Store)
			}
		}
	}
	if len(fences) < 200 || drafts < 3 || scheduled < 10 || dwells < 50 || linked < 30 {
		t.Errorf("got %d geofences, %d drafts, %d with hours, %d with dwell, %d linked to stores", len(fences), drafts, scheduled, dwells, linked)
	}
	for _, shape := range []string{"*geo.Circle", "*geo.Polygon", "*geo.CellSet", "*geo.Corridor", "of several parts"} {
		if shapes[shape] < 3 {
			t.Errorf("got %d geofences %s, want at least 3 (%v)", shapes[shape], shape, shapes)
		}
	}

	products := c.Products()
	if len(products) < 3000 {
		t.Errorf("got %d products, want at least 3,000", len(products))
	}
	variants, sensitive, withdrawn, gone, reduced := 0, 0, 0, 0, 0
	items := map[string]bool{}
	for _, p := range products {
		if items[p.Item] || p.VariantOf != "" && !items[p.VariantOf] || p.Category == "" || p.Brand == "" || len(p.Attributes) == 0 {
			t.Errorf("got %+v", p)
		}
		if !p.Price.Known || p.Price.Minor <= 0 || p.Price.Minor > p.ListPrice.Minor || p.Cost.Minor >= p.ListPrice.Minor {
			t.Errorf("prices of %s: got %+v", p.Title, p)
		}
		items[p.Item] = true
		variants += count(p.VariantOf != "")
		sensitive += count(p.Sensitive != "")
		withdrawn += count(p.Status == importer.Withdrawn)
		gone += count(p.Stock == 0)
		reduced += count(p.Price != p.ListPrice)
	}
	if variants < 1000 || sensitive < 10 || withdrawn < 20 || gone < 20 || reduced < 50 {
		t.Errorf("got %d variants, %d sensitive, %d withdrawn, %d without stock, %d reduced", variants, sensitive, withdrawn, gone, reduced)
	}
	for _, s := range c.Stock() {
		if !items[s.Item] || !ids[s.Store] {
			t.Errorf("stock of %+v", s)
		}
	}
	for _, recipe := range recipes {
		for _, kind := range recipe {
			if len(c.kinds[kind]) == 0 {
				t.Errorf("recipe %v: no goods are called %q", recipe, kind)
			}
		}
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// The laws of shopping that the city obeys, so that it is neither trivial nor noise.
func TestPurchasesArePlausible(t *testing.T) {
	t.Parallel()
	c := New(1, Scale{}, until)
	hours := map[string]*geo.Schedule{}
	for _, s := range c.shops {
		hours[s.ID] = s.open
	}
	lines, baskets, closed, later, repeated := 0, 0, 0, 0, 0
	active := map[string]int{}
	perItem := map[string]int{}
	atHome := 0 // in the shopper's first two favourite stores
	paid, unpaid := 0, 0
	var last importer.Purchase
	var shopper *Shopper
	had, identity := map[string]bool{}, map[string]bool{}
	for p := range c.Purchases() {
		if p.Shopper != last.Shopper {
			shopper = c.Shopper(len(active))
			for shopper.ID != p.Shopper { // some have not bought yet
				active[shopper.ID] = 0
				shopper = c.Shopper(len(active))
			}
			clear(had)
			clear(identity)
		} else if p.At.Before(last.At) {
			t.Fatalf("%s: %v comes after %v", p.Shopper, p.At, last.At)
		}
		if p.Shopper != last.Shopper || p.Basket != last.Basket {
			baskets++
			atHome += count(slices.Contains(shopper.Stores[:2], p.Store))
			switch since := (p.At.Day() - shopper.Payday + 30) % 30; {
			case since < 4:
				paid++
			case since >= 10 && since < 14:
				unpaid++
			}
		}
		key := fmt.Sprint(p.Basket, p.Item, p.Ordinal)
		if identity[key] {
			t.Fatalf("%s: two lines are %s", p.Shopper, key)
		}
		identity[key] = true
		closed += count(!hours[p.Store].Open(p.At))
		if p.Basket != "b1" {
			later++
			repeated += count(had[p.Item])
		}
		if p.Quantity <= 0 || p.Price.Minor <= 0 || !p.At.Before(until) {
			t.Fatalf("got %+v", p)
		}
		lines++
		had[p.Item] = true
		active[p.Shopper]++
		perItem[p.Item]++
		last = p
	}
	share := func(name string, part, whole int, low, high float64) {
		t.Helper()
		got := float64(part) / float64(whole)
		t.Logf("%s: %.3f", name, got)
		if got < low || got > high {
			t.Errorf("%s: got %.3f, want %.3f to %.3f", name, got, low, high)
		}
	}
	buyers := 0
	for _, n := range active {
		buyers += count(n > 0)
	}
	t.Logf("%d lines, %d baskets, %d buyers, %d items bought", lines, baskets, buyers, len(perItem))
	if buyers < 5000 || lines < 300_000 || lines > 450_000 {
		t.Errorf("got %d lines of %d shoppers, want 300,000 to 450,000 of at least 5,000", lines, buyers)
	}
	share("lines a basket", lines, baskets, 4, 10)
	share("outside opening hours", closed, lines, 0, 0.001)
	share("bought before", repeated, later, 0.30, 0.60)
	share("in the first two favourite stores", atHome, baskets, 0.6, 0.97)
	share("visits after payday to visits ten days later", paid, unpaid, 1.2, 2.5)
	counts := make([]int, 0, len(perItem))
	for _, n := range perItem {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	slices.Reverse(counts)
	share("items ever bought", len(perItem), len(c.products), 0.9, 1)
	share("the top item's share", counts[0], lines, 0.001, 0.02)
	share("the top hundred's share", sum(counts[:100]), lines, 0.15, 0.6)
}

func sum(all []int) (n int) {
	for _, x := range all {
		n += x
	}
	return n
}

// Whoever looks at the purchases alone finds the rhythm at which a staple is bought.
func TestCadenceCanBeRecovered(t *testing.T) {
	t.Parallel()
	c := New(1, Scale{Shoppers: 1500}, until)
	near, all := 0, 0
	for n := range c.Len() {
		s := c.Shopper(n)
		if s.Phase != Regular {
			continue
		}
		bought := map[string][]time.Time{}
		c.shop(s, func(p importer.Purchase) bool {
			if p.Ordinal == 0 {
				bought[p.Item] = append(bought[p.Item], p.At)
			}
			return true
		})
		for _, staple := range s.Staples {
			times := bought[staple.Item]
			// A rhythm shorter than the distance of visits cannot show, and few purchases show none.
			if len(times) < 5 || staple.Every < 1.5*s.Every {
				continue
			}
			var gaps []float64
			for i := 1; i < len(times); i++ {
				gaps = append(gaps, times[i].Sub(times[i-1]).Hours()/24)
			}
			slices.Sort(gaps)
			all++
			near += count(math.Abs(math.Log(gaps[len(gaps)/2]/staple.Every)) < math.Log(1.5))
		}
	}
	t.Logf("%d of %d rhythms within a factor of 1.5", near, all)
	if all < 300 || float64(near) < 0.75*float64(all) {
		t.Errorf("got %d of %d rhythms within a factor of 1.5", near, all)
	}
}

// Ingredients of a recipe lie in one basket much more often than chance would have it.
func TestRecipesShowInBaskets(t *testing.T) {
	t.Parallel()
	c := New(1, Scale{Shoppers: 3000}, until)
	kindOf := map[string]string{}
	for _, p := range c.products {
		kindOf[p.Item] = p.goods.name
	}
	single, pair, baskets := map[string]int{}, map[[2]string]int{}, 0
	basket, id := map[string]bool{}, ""
	flush := func() {
		baskets++
		for a := range basket {
			single[a]++
			for b := range basket {
				if a < b {
					pair[[2]string{a, b}]++
				}
			}
		}
		clear(basket)
	}
	for p := range c.Purchases() {
		if now := p.Shopper + p.Basket; now != id {
			flush()
			id = now
		}
		basket[kindOf[p.Item]] = true
	}
	lift := func(a, b string) float64 {
		if a > b {
			a, b = b, a
		}
		return float64(pair[[2]string{a, b}]) * float64(baskets) / float64(single[a]) / float64(single[b])
	}
	for _, together := range [][2]string{{"gin", "tonic water"}, {"salmon fillet", "courgettes"}, {"mozzarella", "basil"}, {"nappies", "baby wipes"}} {
		if got := lift(together[0], together[1]); got < 2 {
			t.Errorf("%v: got lift %.2f, want at least 2", together, got)
		}
	}
	if got := lift("toilet paper", "sardines"); got > 1.6 {
		t.Errorf("toilet paper and sardines: got lift %.2f, want about 1", got)
	}
}

func TestEventsAreOfShoppersWithTheApp(t *testing.T) {
	t.Parallel()
	c := New(1, Scale{Shoppers: 600}, until)
	kinds := map[string]int{}
	var last importer.Event
	for e := range c.Events() {
		kinds[e.Kind]++
		if e.Kind == "visit" && e.Store == "" || e.Kind != "visit" && e.Item == "" || e.Place != "" && len(e.Place) != 15 {
			t.Fatalf("got %+v", e)
		}
		if e.Shopper == last.Shopper && e.ID == last.ID || e.At.Before(until.AddDate(0, 0, -32)) || e.At.After(until) {
			t.Fatalf("got %+v after %+v", e, last)
		}
		last = e
	}
	for _, kind := range []string{"view", "add", "like", "share", "dismiss", "visit"} {
		if kinds[kind] < 10 {
			t.Errorf("got %d events %q", kinds[kind], kind)
		}
	}
}

// keeper is a Sink that counts, and refuses what it is told twice.
type keeper struct {
	rows  map[importer.Kind]int
	seen  map[string]bool
	stop  int // fails when so many rows are stored; 0: never
	total int
}

func keep[T any](k *keeper, kind importer.Kind, rows []T, id func(T) string) ([]importer.Result, error) {
	results := make([]importer.Result, len(rows))
	for i, row := range rows {
		key := string(kind) + id(row)
		if k.seen[key] {
			results[i].Outcome = importer.Unchanged
			continue
		}
		if k.total == k.stop && k.stop > 0 {
			return nil, fmt.Errorf("killed")
		}
		k.seen[key] = true
		k.rows[kind]++
		k.total++
	}
	return results, nil
}

func (k *keeper) PutStores(_ context.Context, rows []importer.Store) ([]importer.Result, error) {
	return keep(k, importer.KindStores, rows, func(s importer.Store) string { return s.ID })
}

func (k *keeper) PutGeofences(_ context.Context, rows []importer.Geofence) ([]importer.Result, error) {
	return keep(k, importer.KindGeofences, rows, func(g importer.Geofence) string { return g.ID })
}

func (k *keeper) PutProducts(_ context.Context, rows []importer.Product) ([]importer.Result, error) {
	return keep(k, importer.KindProducts, rows, func(p importer.Product) string { return p.Item })
}

func (k *keeper) PutStock(_ context.Context, rows []importer.Stock) ([]importer.Result, error) {
	return keep(k, importer.KindStock, rows, func(s importer.Stock) string { return s.Item + "@" + s.Store })
}

func (k *keeper) PutPurchases(_ context.Context, rows []importer.Purchase) ([]importer.Result, error) {
	return keep(k, importer.KindPurchases, rows, func(p importer.Purchase) string {
		return fmt.Sprint(p.Shopper, p.At.UTC(), p.Basket, p.Item, p.Quantity, p.Price, p.Store, p.Ordinal)
	})
}

func (k *keeper) PutEvents(_ context.Context, rows []importer.Event) ([]importer.Result, error) {
	return keep(k, importer.KindEvents, rows, func(e importer.Event) string {
		return fmt.Sprint(e.Shopper, e.ID, e.Kind, e.Item, e.At.UTC(), e.Store, e.Place)
	})
}

// Seeded directly, and imported from its files, the city is the same, row by row; and a seeding that was
// killed is finished by the next one.
func TestSeedEqualsImportOfFiles(t *testing.T) {
	t.Parallel()
	c := New(3, Scale{Shoppers: 300, Days: 90}, until)
	sink := &keeper{rows: map[importer.Kind]int{}, seen: map[string]bool{}, stop: 9000}
	if _, err := c.Seed(t.Context(), sink, nil); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("got %v, want killed", err)
	}
	sink.stop = 0
	steps := 0
	seeded, err := c.Seed(t.Context(), sink, func(Seeded) { steps++ })
	if err != nil || seeded.Unchanged < 9000-seedBatch || seeded.Stored+seeded.Unchanged != seeded.Rows || steps < 6 {
		t.Fatalf("the second seeding: got %+v in %d steps, %v", seeded, steps, err)
	}

	dir := t.TempDir()
	if err := c.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, kind := range importer.Kinds {
		name := string(kind) + ".csv"
		if kind == importer.KindGeofences {
			name = "geofences.geojson"
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := importer.Run(t.Context(), kind, f, sink, importer.Options{Currency: Currency})
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil || got.Stored != 0 || got.Refused != 0 || got.Unchanged != sink.rows[kind] || len(got.Notes) != 0 {
			t.Errorf("%s: everything is known already, got %+v, %v", name, got, err)
		}
		rows += got.Read
	}
	if rows != seeded.Rows {
		t.Errorf("got %d rows in files, want %d", rows, seeded.Rows)
	}
	if tracks, err := os.ReadDir(filepath.Join(dir, "walks")); err != nil || len(tracks) != len(c.Walks()) {
		t.Errorf("got %d tracks, %v", len(tracks), err)
	}
}

func TestSeedStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := New(3, Scale{Shoppers: 50, Days: 30}, until).Seed(ctx, &keeper{rows: map[importer.Kind]int{}, seen: map[string]bool{}}, func(Seeded) { cancel() })
	if err == nil {
		t.Error("got nil, want context canceled")
	}
}

func BenchmarkPurchases(b *testing.B) {
	b.ReportAllocs()
	c := New(1, Scale{Shoppers: 500}, until)
	lines := 0
	for b.Loop() {
		for range c.Purchases() {
			lines++
		}
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkImportPurchases pays for reading a purchases.csv of the city, storing nothing.
func BenchmarkImportPurchases(b *testing.B) {
	b.ReportAllocs()
	var file strings.Builder
	if err := New(1, Scale{Shoppers: 1500}, until).WriteFile(importer.KindPurchases, &file); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	rows := 0
	for b.Loop() {
		got, err := importer.Run(b.Context(), importer.KindPurchases, strings.NewReader(file.String()), importer.Nowhere{}, importer.Options{Currency: Currency})
		if err != nil || got.Refused > 0 {
			b.Fatal(got, err)
		}
		rows += got.Read
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// What a shopper buys next can be foreseen, but not by the shop's best sellers and not wholly by habit:
// whoever counts does well, whoever minds the rhythm of each item does better.
func TestHistoryCanBeLearnt(t *testing.T) {
	t.Parallel()
	c := New(1, Scale{Shoppers: 2500}, until)
	crowd := map[string]float64{}
	var shoppers [][]importer.Purchase
	var own []importer.Purchase
	for p := range c.Purchases() {
		if len(own) > 0 && own[0].Shopper != p.Shopper {
			shoppers, own = append(shoppers, own), nil
		}
		own = append(own, p)
		crowd[p.Item]++
	}
	recall := map[string]float64{}
	sellers := top(crowd, 10)
	n := 0.0
	for _, lines := range shoppers {
		cut := slices.IndexFunc(lines, func(p importer.Purchase) bool { return p.Basket == lines[len(lines)-1].Basket })
		past, next := lines[:cut], lines[cut:]
		if cut < 10 {
			continue
		}
		n++
		times := map[string][]time.Time{}
		for _, p := range past {
			times[p.Item] = append(times[p.Item], p.At)
		}
		counts, rhythm := map[string]float64{}, map[string]float64{}
		for item, at := range times {
			counts[item] = float64(len(at)) + crowd[item]*1e-6
			rhythm[item] = counts[item]
			if len(at) < 3 {
				rhythm[item] *= 0.7
				continue
			}
			gap := at[len(at)-1].Sub(at[0]) / time.Duration(len(at)-1)
			if since := next[0].At.Sub(at[len(at)-1]); since < gap*6/10 {
				rhythm[item] *= 0.2
			} else if since > 3*gap {
				rhythm[item] *= 0.4
			}
		}
		recall["best sellers"] += share(sellers, next)
		recall["counts"] += share(top(counts, 10), next)
		recall["rhythm"] += share(top(rhythm, 10), next)
	}
	for name := range recall {
		recall[name] /= n
	}
	t.Logf("recall@10 of %.0f shoppers: %v", n, recall)
	if recall["best sellers"] > 0.12 || recall["counts"] < 0.25 || recall["counts"] > 0.55 || recall["rhythm"] < recall["counts"]+0.01 {
		t.Errorf("got recall@10 %v, want best sellers under 0.12, counts 0.25 to 0.55, rhythm better", recall)
	}
}

// top are the n items of the highest score, the lower id first among equals.
func top(scores map[string]float64, n int) []string {
	items := make([]string, 0, len(scores))
	for item := range scores {
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b string) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	return items[:min(n, len(items))]
}

// share is the part of a basket's items that is among those foreseen.
func share(foreseen []string, basket []importer.Purchase) float64 {
	items := map[string]bool{}
	for _, p := range basket {
		items[p.Item] = true
	}
	hits := 0
	for _, item := range foreseen {
		hits += count(items[item])
	}
	return float64(hits) / float64(len(items))
}
