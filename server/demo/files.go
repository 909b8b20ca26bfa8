package demo

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"satnav/server/importer"
	"satnav/server/money"
)

// WriteFiles writes the city into a folder, which is made if it is not there, as the files that `satnav
// import` reads: stores.csv, geofences.geojson, products.csv, stock.csv, purchases.csv, events.csv, and
// one track for each walk, walks/NAME.csv, as `satnav replay` reads it.
func (c *City) WriteFiles(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "walks"), 0o755); err != nil {
		return fmt.Errorf("write the demo city: %w", err)
	}
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"stores.csv", c.writeStores}, {"geofences.geojson", c.writeGeofences}, {"products.csv", c.writeProducts},
		{"stock.csv", c.writeStock}, {"purchases.csv", c.writePurchases}, {"events.csv", c.writeEvents},
	} {
		if err := writeFile(filepath.Join(dir, file.name), file.write); err != nil {
			return err
		}
	}
	for _, walk := range c.Walks() {
		if err := writeFile(filepath.Join(dir, "walks", walk.Name+".csv"), walk.writeTrack); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the demo city: %w", err)
	}
	out := bufio.NewWriterSize(f, 64<<10)
	if err := errors.Join(write(out), out.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// WriteFile writes the file of one kind.
func (c *City) WriteFile(kind importer.Kind, w io.Writer) error {
	switch kind {
	case importer.KindStores:
		return c.writeStores(w)
	case importer.KindGeofences:
		return c.writeGeofences(w)
	case importer.KindProducts:
		return c.writeProducts(w)
	case importer.KindStock:
		return c.writeStock(w)
	case importer.KindPurchases:
		return c.writePurchases(w)
	case importer.KindEvents:
		return c.writeEvents(w)
	}
	return fmt.Errorf("write the demo city: unknown kind %q, want one of %v", kind, importer.Kinds)
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (c *City) writeStores(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"store", "name", "lat", "lng", "zone", "hours", "region"}) // csv keeps its first error for Error
	for _, s := range c.Stores() {
		_ = out.Write([]string{s.ID, s.Name, number(s.Position.Lat), number(s.Position.Lng), s.Zone.String(), s.Hours, s.Region})
	}
	out.Flush()
	return out.Error()
}

func (c *City) writeProducts(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"item", "title", "category", "brand", "price", "list_price", "cost", "currency", "stock", "attributes", "variant_of", "sensitive", "status"})
	for _, p := range c.Products() {
		_ = out.Write([]string{
			p.Item, p.Title, p.Category, p.Brand, money.Format(p.Price, money.Exponent(Currency)), money.Format(p.ListPrice, money.Exponent(Currency)), money.Format(p.Cost, money.Exponent(Currency)), p.Currency,
			number(p.Stock), string(p.Attributes), p.VariantOf, p.Sensitive, string(p.Status),
		})
	}
	out.Flush()
	return out.Error()
}

func (c *City) writeStock(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"item", "store", "stock"})
	for _, s := range c.Stock() {
		_ = out.Write([]string{s.Item, s.Store, number(s.Amount)})
	}
	out.Flush()
	return out.Error()
}

func (c *City) writePurchases(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"shopper", "at", "basket", "item", "quantity", "price", "store"})
	for p := range c.Purchases() {
		if err := out.Write([]string{p.Shopper, p.At.Format(time.RFC3339), p.Basket, p.Item, number(p.Quantity), money.Format(p.Price, money.Exponent(Currency)), p.Store}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (c *City) writeEvents(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"shopper", "id", "kind", "item", "at", "store", "place"})
	for e := range c.Events() {
		if err := out.Write([]string{e.Shopper, e.ID, e.Kind, e.Item, e.At.Format(time.RFC3339), e.Store, e.Place}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// writeGeofences writes a FeatureCollection with a Feature a line.
func (c *City) writeGeofences(w io.Writer) error {
	out := bufio.NewWriter(w)
	_, _ = out.WriteString("{\"type\": \"FeatureCollection\", \"features\": [\n") // bufio keeps its first error for Flush
	for i, g := range c.Geofences() {
		if i > 0 {
			_, _ = out.WriteString(",\n")
		}
		_, _ = out.Write(g.Feature)
	}
	_, _ = out.WriteString("\n]}\n")
	return out.Flush()
}

// writeTrack writes the fixes of a walk as a track.
func (walk Walk) writeTrack(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"t", "lat", "lng", "accuracy_m"})
	for _, f := range walk.Fixes {
		_ = out.Write([]string{f.At.Format(time.RFC3339), number(f.Lat), number(f.Lng), number(f.AccuracyMeters)})
	}
	out.Flush()
	return out.Error()
}

// WriteCalls writes a walk as the bodies of POST /v1/context, one a line: what the shopper's app would
// have sent at each fix.
func (walk Walk) WriteCalls(w io.Writer) error {
	out := json.NewEncoder(w)
	for _, f := range walk.Fixes {
		location := "precise"
		if f.Coarse {
			location = "coarse"
		}
		if err := out.Encode(map[string]any{
			"at":          f.At.Format(time.RFC3339),
			"where":       map[string]any{"lat": f.Lat, "lng": f.Lng, "accuracy_m": f.AccuracyMeters},
			"permissions": map[string]any{"location": location, "background": true, "notifications": true},
		}); err != nil {
			return err
		}
	}
	return nil
}
