package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
)

// shopperBody is about as large as what one document of a shopper holds.
func shopperBody(b *testing.B) bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "state", Value: make([]byte, 240)}})
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

func shopper(n int) string { return fmt.Sprintf("demo/%08d", n) }

// BenchmarkCommit pays for one durable commit of one document with one mark to one of 100k shoppers, beside a bare synced put
// of the same size, on a disk.
func BenchmarkCommit(b *testing.B) {
	body := shopperBody(b)
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("bare/writers=%d", writers), func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), &pebble.Options{MemTableSize: defaultMemTableBytes, Logger: quiet{}})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			share(b, writers, func(rng *rand.Rand) error {
				return db.Set(binary.BigEndian.AppendUint64([]byte("demo----"), rng.Uint64N(100_000)), body, pebble.Sync)
			})
		})
		for _, marked := range []bool{false, true} {
			b.Run(fmt.Sprintf("store/writers=%d/marked=%v", writers, marked), func(b *testing.B) {
				s, err := Open(b.TempDir(), Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				share(b, writers, func(rng *rand.Rand) error {
					d := store.Document{ID: "presence", Body: body}
					if marked {
						d.Marks = []store.Mark{{Kind: "inside", Key: "g1", At: time.Unix(rng.Int64N(1<<20), 0)}}
					}
					_, err := s.Commit(context.Background(), store.Batch{Partition: shopper(rng.IntN(100_000)), Put: []store.Document{d}})
					return err
				})
			})
		}
	}
}

// share splits the iterations of a benchmark among writers.
func share(b *testing.B, writers int, do func(*rand.Rand) error) {
	b.ReportAllocs()
	b.SetParallelism((writers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	if writers == 1 {
		rng := rand.New(rand.NewPCG(1, 1))
		for b.Loop() {
			if err := do(rng); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	var seed atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		rng := rand.New(rand.NewPCG(seed.Add(1), 1))
		for pb.Next() {
			if err := do(rng); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(f string, a ...any) {
	panic(fmt.Sprintf(f, a...))
}

// BenchmarkRead pays for reads of one of 100k shoppers with 5 documents of 256 bytes each: from memory (hot), through a block
// cache that holds indexes and little else (cold; the file system's cache stays), and of shoppers that do not exist (none).
func BenchmarkRead(b *testing.B) {
	const shoppers = 100_000
	folder := b.TempDir()
	s, err := Open(folder, Options{})
	if err != nil {
		b.Fatal(err)
	}
	body := shopperBody(b)
	for i := range shoppers {
		batch := store.Batch{Partition: shopper(i), Lazy: true}
		for _, id := range []string{"grants", "history", "presence", "profile", "recent"} {
			batch.Put = append(batch.Put, store.Document{ID: id, Body: body})
		}
		if _, err := s.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.db.Compact(b.Context(), []byte{0}, []byte{0xff}, true); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		cache       int64
		first, many int
	}{{"hot", 512 << 20, 0, 1000}, {"cold", 8 << 20, 0, shoppers}, {"none", 512 << 20, shoppers, shoppers}} {
		s, err := Open(folder, Options{CacheBytes: c.cache})
		if err != nil {
			b.Fatal(err)
		}
		draw := func(rng *rand.Rand) string { return shopper(c.first + rng.IntN(c.many)) }
		b.Run("bare-get/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				if value, closer, err := s.db.Get(appendDocumentKey(nil, draw(rng), "presence")); err == nil {
					_ = value
					closer.Close()
				}
			}
		})
		b.Run("get/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				_, _ = s.Get(context.Background(), draw(rng), "presence")
			}
		})
		b.Run("scan/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				page, err := s.Scan(context.Background(), draw(rng), "", "", 0)
				if err != nil || (len(page.Documents) == 5) != (c.first == 0) {
					b.Fatal(len(page.Documents), err)
				}
			}
		})
		b.Run("revision/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				if _, err := s.Revision(context.Background(), draw(rng)); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
