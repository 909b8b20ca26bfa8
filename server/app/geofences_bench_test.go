package app

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/config"
	"satnav/geo"
	"satnav/server/identity"
	"satnav/server/importer"
	"satnav/server/observe"
	"satnav/server/retailer"
)

// fenceTown draws geofences as geo's own benchmarks do: half circles, half polygons of 16 or 64 corners, radius 50 to 300 m,
// around 200 cities. Cities shrink with the number of geofences, so that a point is in about ten however many there are.
type fenceTown struct {
	rng   *rand.Rand
	towns []geo.Point
	sigma float64 // metres
}

const metersPerDegree = geo.EarthRadiusMeters * math.Pi / 180

func newFenceTown(fences int) *fenceTown {
	t := &fenceTown{rng: rand.New(rand.NewPCG(41, 42)), sigma: 2_000 * math.Sqrt(float64(fences)/1e6)}
	for range 200 {
		t.towns = append(t.towns, geo.Point{Lat: t.rng.Float64()*110 - 50, Lng: t.rng.Float64()*350 - 175})
	}
	return t
}

func (t *fenceTown) point() geo.Point {
	town := t.towns[t.rng.IntN(len(t.towns))]
	return geo.Point{Lat: town.Lat + t.rng.NormFloat64()*t.sigma/metersPerDegree,
		Lng: town.Lng + t.rng.NormFloat64()*t.sigma/metersPerDegree/math.Cos(town.Lat*math.Pi/180)}
}

// feature appends one as a line of NDJSON.
func (t *fenceTown) feature(b []byte, id int) []byte {
	at, radius := t.point(), 50+250*t.rng.Float64()
	position := func(p geo.Point) {
		b = append(strconv.AppendFloat(append(b, '['), p.Lng, 'f', 7, 64), ',')
		b = append(strconv.AppendFloat(b, p.Lat, 'f', 7, 64), ']')
	}
	b = fmt.Appendf(b, `{"type":"Feature","id":"fence-%d","geometry":{"type":`, id)
	if t.rng.IntN(2) == 0 {
		b = append(b, `"Point","coordinates":`...)
		position(at)
		return fmt.Appendf(b, `},"properties":{"radius_m":%.1f}}`+"\n", radius)
	}
	corners := 16 << (2 * t.rng.IntN(2))
	b = append(b, `"Polygon","coordinates":[[`...)
	var first geo.Point
	for i := range corners + 1 {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(corners))
		r := radius * (0.7 + 0.3*t.rng.Float64()) / metersPerDegree
		p := geo.Point{Lat: at.Lat + r*sin, Lng: at.Lng + r*cos/math.Cos(at.Lat*math.Pi/180)}
		switch i {
		case 0:
			first = p
		case corners:
			p = first
		}
		if i > 0 {
			b = append(b, ',')
		}
		position(p)
	}
	return append(b, `]]},"properties":{}}`+"\n"...)
}

// BenchmarkGeofences is what holding many geofences takes, from file to answer, each step beside its goal: importing them as
// the command line does and over HTTP, matching points over loopback in batches and one by one, an edit until it matches while
// others read, and starting again, from the kept index and from the store alone. SATNAV_BENCH_FENCES says how many;
// the HTTP import is of 100,000 more at most.
func BenchmarkGeofences(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("SATNAV_BENCH_FENCES"))
	if err != nil {
		n = 100_000
	}
	for b.Loop() {
		t := newFenceTown(n)
		c := config.Default()
		c.Listen, c.Data = "127.0.0.1:0", b.TempDir()
		c.Limits.ServiceCalls, c.Limits.RetailerCalls, c.Limits.Import = 1_000_000, 1_000_000, 1<<30
		a := openBench(b, c)
		file := fenceFile(t, 0, n)
		begin := time.Now()
		summary, err := importer.Run(b.Context(), importer.KindGeofences, bytes.NewReader(file), a.Sink("demo", retailer.Editor{Role: "admin"}, ""), importer.Options{})
		if err != nil || summary.Stored != n {
			b.Fatal(summary, err)
		}
		seconds(b, "import-cli-s/100k", begin, 1e5/float64(n))

		ctx, stop := context.WithCancel(context.Background())
		address, served := make(chan net.Addr, 1), make(chan error, 1)
		go func() { served <- a.Serve(ctx, func(at net.Addr) { address <- at }) }()
		client := &fenceClient{address: (<-address).String(), token: benchToken(b, a)}
		more := min(n, 100_000)
		file = fenceFile(t, n, n+more)
		begin = time.Now()
		status, answer := client.dial(b).post(b, "/v1/import/geofences", "application/x-ndjson", file)
		if status != http.StatusOK {
			b.Fatalf("import: %d: %s", status, answer)
		}
		seconds(b, "import-http-s/100k", begin, 1e5/float64(more))

		editing(b, a, t, n)
		picture, err := a.Retailers.Of(b.Context(), "demo")
		if err != nil {
			b.Fatal(err)
		}
		for wait := time.Now(); picture.Fences.Loose() > 1_000+picture.Fences.Len()/20; picture, _ = a.Retailers.Of(b.Context(), "demo") {
			if time.Since(wait) > time.Minute {
				b.Fatal("the index is never laid out anew")
			}
			time.Sleep(100 * time.Millisecond)
		}
		matching(b, client, t)
		stop()
		begin = time.Now()
		if err := <-served; err != nil {
			b.Fatal(err)
		}
		seconds(b, "stop-s", begin, 1)
		begin = time.Now()
		a = openBench(b, c)
		served2, _ := a.Retailers.Of(b.Context(), "demo")
		seconds(b, "start-kept-s", begin, 1)
		if served2.Fences.Len() != n+more {
			b.Fatalf("got %d geofences, want %d", served2.Fences.Len(), n+more)
		}
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
		if err := os.RemoveAll(c.Data + "/cache"); err != nil {
			b.Fatal(err)
		}
		begin = time.Now()
		a = openBench(b, c)
		seconds(b, "start-store-s", begin, 1)
		b.Logf("goals: import-*-s/100k at most 30; batch-points/s at least 100,000; single-p99-ms at most 1; edit-p99-ms at most 100; with a million geofences start-kept-s at most 1, start-store-s at most 5")
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
}

func openBench(b *testing.B, c config.Config) *App {
	a, err := Open(b.Context(), Options{Config: c, Log: observe.NewLogger(io.Discard, "info", "text")})
	if err != nil {
		b.Fatal(err)
	}
	return a
}

func seconds(b *testing.B, name string, begin time.Time, scale float64) {
	b.ReportMetric(time.Since(begin).Seconds()*scale, name)
}

func fenceFile(t *fenceTown, from, to int) []byte {
	var file []byte
	for id := from; id < to; id++ {
		file = t.feature(file, id)
	}
	return file
}

func benchToken(b *testing.B, a *App) string {
	key, err := identity.DevelopmentKey(a.Config.Data)
	if err != nil {
		b.Fatal(err)
	}
	token, err := identity.Issuer{Key: key, Issuer: a.Config.Identity.Issuer, Audience: a.Config.Identity.Audience}.Issue(identity.Claims{
		Retailer: "demo", Role: identity.Admin, Subject: "bench", Expires: time.Now().Add(time.Hour)}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	return token
}

// editing edits one geofence after the other while another goroutine reads, and reports how long the edit took until it
// matched, store included, and how long the reader ever waited.
func editing(b *testing.B, a *App, t *fenceTown, n int) {
	stop := make(chan struct{})
	var reader sync.WaitGroup
	var reads []time.Duration
	points := make([]geo.Point, 10_000)
	for i := range points {
		points[i] = t.point()
	}
	reader.Go(func() {
		var dst []uint32
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			begin := time.Now()
			snapshot, _ := a.Retailers.Of(context.Background(), "demo")
			dst = snapshot.Fences.Match(points[i%len(points)], dst[:0])
			reads = append(reads, time.Since(begin))
		}
	})
	var took []time.Duration
	for i := range 300 {
		at := t.point()
		circle, err := geo.NewCircle(at, 100)
		if err != nil {
			b.Fatal(err)
		}
		id := fmt.Sprint("fence-", i*7919%n)
		begin := time.Now()
		saved, err := a.Retailers.SaveGeofences(b.Context(), "demo", retailer.Editor{Role: "admin"}, []retailer.Change[geo.Geofence]{{ID: id, Value: geo.Geofence{Shape: circle}}})
		if err != nil || saved[0].Err != nil {
			b.Fatal(err, saved)
		}
		snapshot, _ := a.Retailers.Of(b.Context(), "demo")
		if !slices.ContainsFunc(snapshot.Fences.Match(at, nil), func(n uint32) bool { return snapshot.Fences.Fence(n).ID == id }) {
			b.Fatalf("%s is not live", id)
		}
		took = append(took, time.Since(begin))
	}
	close(stop)
	reader.Wait()
	percentile(b, "edit-p99-ms", took, 0.99)
	percentile(b, "reader-p99.9-ms", reads, 0.999)
}

func percentile(b *testing.B, name string, took []time.Duration, share float64) {
	slices.Sort(took)
	b.ReportMetric(float64(took[int(share*float64(len(took)-1))].Nanoseconds())/1e6, name)
}

// matching sends points for two seconds in batches of 1,000 on two connections, then one by one on one.
func matching(b *testing.B, client *fenceClient, t *fenceTown) {
	body := func(points int) []byte {
		text := []byte(`{"points":[`)
		for i := range points {
			if i > 0 {
				text = append(text, ',')
			}
			p := t.point()
			text = fmt.Appendf(text, "[%.7f,%.7f]", p.Lng, p.Lat)
		}
		return append(text, `]}`...)
	}
	var batches, singles [][]byte
	for range 50 {
		batches = append(batches, body(1_000))
	}
	for range 5_000 {
		singles = append(singles, body(1))
	}
	var points, hits atomic.Int64
	var callers sync.WaitGroup
	begin := time.Now()
	for n := range 2 {
		connection := client.dial(b)
		callers.Go(func() {
			for i := n; time.Since(begin) < 2*time.Second; i++ {
				status, answer := connection.post(b, "/v1/geofences/match", "application/json", batches[i%len(batches)])
				if status != http.StatusOK {
					b.Errorf("match: %d: %s", status, answer)
					return
				}
				points.Add(1_000)
				hits.Add(int64(bytes.Count(answer, []byte("fence-"))))
			}
		})
	}
	callers.Wait()
	b.ReportMetric(float64(points.Load())/time.Since(begin).Seconds(), "batch-points/s")
	b.ReportMetric(float64(hits.Load())/float64(points.Load()), "hits/point")
	var took []time.Duration
	connection := client.dial(b)
	for _, single := range singles {
		begin := time.Now()
		if status, answer := connection.post(b, "/v1/geofences/match", "application/json", single); status != http.StatusOK {
			b.Fatalf("match: %d: %s", status, answer)
		}
		took = append(took, time.Since(begin))
	}
	percentile(b, "single-p50-ms", took, 0.5)
	percentile(b, "single-p99-ms", took, 0.99)
}

// fenceClient makes calls with little work of its own: the two cores are the server's as well.
type fenceClient struct{ address, token string }

type fenceConnection struct {
	*fenceClient
	conn net.Conn
	in   *bufio.Reader
	body []byte
}

func (c *fenceClient) dial(b *testing.B) *fenceConnection {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return &fenceConnection{fenceClient: c, conn: conn, in: bufio.NewReaderSize(conn, 1<<20)}
}

func (c *fenceConnection) post(b *testing.B, path, mediaType string, body []byte) (status int, answer []byte) {
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, c.token, mediaType, len(body))
	if _, err := c.conn.Write(append(head, body...)); err != nil {
		b.Error(err)
		return 0, nil
	}
	length := 0
	for line := 0; ; line++ {
		text, err := c.in.ReadSlice('\n')
		if err != nil {
			b.Error(err)
			return 0, nil
		}
		if line == 0 {
			status, _ = strconv.Atoi(string(text[9:12]))
		}
		if value, found := bytes.CutPrefix(text, []byte("Content-Length: ")); found {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		if len(text) == 2 {
			break
		}
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		b.Error(err)
	}
	return status, c.body
}
