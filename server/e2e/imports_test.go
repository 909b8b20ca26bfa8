package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
	"satnav/server/identity"
)

// files are small files of every kind, in the order of import; each has one bad row, its third line.
var files = []struct{ kind, mediaType, text, column string }{
	{"stores", "text/csv", "store,lat,lng,zone\ns1,38.71,-9.14,Europe/Lisbon\ns2,98.71,-9.14,Europe/Lisbon\ns3,38.73,-9.14,Europe/Lisbon\n", "lat"},
	{"products", "text/csv", "item,title,price\np1,Milk,1.79\np2,Bread,cheap\np3,Salt,0.59\n", "price"},
	{"stock", "text/csv", "item,store,stock\np1,s1,4\np1,s3,many\np3,s1,5\n", "stock"},
	{"geofences", "application/x-ndjson", "{\"type\":\"Feature\",\"id\":\"g1\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[-9.14,38.71]},\"properties\":{\"radius_m\":50}}\n\n" +
		"{\"type\":\"Feature\",\"id\":\"g2\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[-9.14,38.71]},\"properties\":{}}\n" +
		"{\"type\":\"Feature\",\"id\":\"g3\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[-9.14,38.71]},\"properties\":{\"radius_m\":50}}\n", "/properties/radius_m"},
	{"purchases", "text/csv", "shopper,at,item\nu1,2026-10-01,p1\nu1,yesterday,p1\nu1,2026-10-08,p1\n", "at"},
	{"events", "application/x-ndjson", "{\"shopper\":\"u1\",\"id\":\"e1\",\"kind\":\"view\",\"item\":\"p1\",\"at\":\"2026-10-09T09:00:00Z\"}\n\n{\"shopper\":\"u1\",\"id\":\"e2\",\"kind\":\"view\",\"item\":\"p1\",\"quantity\":\"many\",\"at\":\"2026-10-09T09:00:00Z\"}\n{\"shopper\":\"u1\",\"id\":\"e3\",\"kind\":\"view\",\"item\":\"p1\",\"at\":\"2026-10-09T09:00:00Z\"}\n", "quantity"},
}

func (h *house) upload(t testing.TB, token, kind, query string, file any, headers ...string) wire.ImportReport {
	t.Helper()
	send := h.call
	if slices.Contains(headers, "application/gzip") { // the contract describes what is in it
		send = h.stream
	}
	return read[wire.ImportReport](send(t, token, "POST", "/v1/import/"+kind+query, file, headers...).wants(200))
}

// TestImports sends a file of every kind: first to be checked alone, then to be stored, then once more.
func TestImports(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "uploads")
	for _, f := range files {
		for _, run := range []struct {
			query             string
			stored, unchanged int64
		}{{"?dry_run=true", 2, 0}, {"", 2, 0}, {"", 0, 2}} {
			got := city.upload(t, admin, f.kind, run.query, f.text, "Content-Type", f.mediaType)
			if got.Rows != 3 || got.Stored != run.stored || got.Unchanged != run.unchanged || got.Refused != 1 {
				t.Fatalf("%s%s: got %+v", f.kind, run.query, got)
			}
			if bad := got.Rejected[0]; bad.Line != 3 || bad.Column != f.column || bad.Reason == "" {
				t.Errorf("%s: got %+v, want line 3, column %q and a reason", f.kind, bad, f.column)
			}
		}
	}
	shopper := city.as(t, identity.Claims{Role: identity.Shopper, Subject: "u1", Retailer: "uploads"})
	if got := eventsIn(read[wire.Diary](city.call(t, shopper, "GET", "/v1/me/diary", nil).wants(200))); len(got) != 4 {
		t.Errorf("the diary has %d entries, want two purchases and two views", len(got))
	}
	if got := match(t, admin, [2]float64{-9.14, 38.71}); len(got[0]) != 2 {
		t.Errorf("got %v, want both geofences", got[0])
	}
}

// TestCompressedImports holds that a packed file, or packed transfer, is the same file.
func TestCompressedImports(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]string{
		"file": {"Content-Type", "application/gzip"}, "transfer": {"Content-Type", "text/csv", "Content-Encoding", "gzip"},
	} {
		got := city.upload(t, city.role(t, identity.Admin, "packed-"+name), "stores", "", zipped(t, []byte(files[0].text)), headers...)
		if got.Stored != 2 || got.Refused != 1 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestBrokenImport holds that of a file that breaks off the rows before the break are stored, and the break is told.
func TestBrokenImport(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("item,store,stock\n")
	for i := range 20_000 {
		fmt.Fprintf(&text, "i%d,s,%d\n", i*7919%100_003, i*31%97)
	}
	packed := zipped(t, []byte(text.String()))
	got := city.upload(t, city.role(t, identity.Admin, "broken"), "stock", "", packed[:len(packed)/2], "Content-Type", "application/gzip")
	if got.Stored < 1000 || got.Stored > 19_000 || got.Refused != 0 || len(got.Rejected) != 0 {
		t.Errorf("got %+v, want about half of the rows, and none refused", got)
	}
	if !strings.Contains(got.BrokeOff, "cut off") {
		t.Errorf("broke_off: got %q", got.BrokeOff)
	}
}

// TestImportInPieces holds that lines are counted from the first of the whole file.
func TestImportInPieces(t *testing.T) {
	t.Parallel()
	got := city.upload(t, city.role(t, identity.Admin, "pieces"), "stores", "?first_line=1001", files[0].text, "Content-Type", "text/csv")
	if got.Rejected[0].Line != 1003 {
		t.Errorf("got line %d, want 1003", got.Rejected[0].Line)
	}
}

// TestImportsEnd holds that an import ends when its file does, however the body comes: packed or not, in chunks or
// with its length.
func TestImportsEnd(t *testing.T) {
	t.Parallel()
	for _, f := range append(slices.Clone(files), struct{ kind, mediaType, text, column string }{"stores", "text/csv", "", ""}) {
		for _, packed := range []bool{false, true} {
			for _, inChunks := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s of %d bytes, packed %v, in chunks %v", f.kind, len(f.text), packed, inChunks), func(t *testing.T) {
					t.Parallel()
					body := []byte(f.text)
					if packed {
						body = zipped(t, body)
					}
					var sent io.Reader = bytes.NewReader(body)
					if inChunks {
						sent = io.MultiReader(sent) // hides its length
					}
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					request, err := http.NewRequestWithContext(ctx, http.MethodPost, city.url+"/v1/import/"+f.kind+"?dry_run=true", sent)
					if err != nil {
						t.Fatal(err)
					}
					request.Header.Set("Authorization", "Bearer "+city.role(t, identity.Admin, "ends"))
					request.Header.Set("Content-Type", "application/octet-stream")
					answer, err := apitest.StreamingClient(t).Do(request)
					if err != nil {
						t.Fatal(err)
					}
					defer answer.Body.Close()
					if want := f.text != ""; want != (answer.StatusCode == http.StatusOK) || !want && answer.StatusCode != http.StatusBadRequest {
						t.Errorf("got %s", answer.Status)
					}
				})
			}
		}
	}
}
