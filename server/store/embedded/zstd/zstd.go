// Package zstd stands in for the module of the same name: go.mod replaces that one by this folder.
//
// Pebble can compress with zstd, and takes the C library for it wherever cgo is there (H3 needs it). We never ask for zstd, but
// that library was the longest part of a first build: 40 s of a processor, of 300. A build tag would leave it out, which every
// `go run` and `go test` would have to name; this needs no flag. What stands here is the part of the interface that Pebble
// uses, over the Go library that Pebble itself takes without cgo, so that a store written with zstd elsewhere can be read.
package zstd

import (
	"errors"

	"github.com/klauspost/compress/zstd"
)

// One encoder and one decoder serve all goroutines: EncodeAll and DecodeAll keep no state between calls.
var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// CompressBound is how large n bytes may become, in bytes.
func CompressBound(n int) int { return encoder.MaxEncodedSize(n) }

// Ctx compresses and decompresses.
type Ctx interface {
	// CompressLevel compresses src into dst, which holds CompressBound of its length, whatever the level.
	CompressLevel(dst, src []byte, level int) ([]byte, error)
	// DecompressInto decompresses src into dst, which is exactly as long as what comes out.
	DecompressInto(dst, src []byte) (int, error)
}

// NewCtx returns a Ctx. It holds nothing.
func NewCtx() Ctx { return ctx{} }

type ctx struct{}

var errSize = errors.New("zstd: the block has another length than its frame says")

func (ctx) CompressLevel(dst, src []byte, _ int) ([]byte, error) {
	return encoder.EncodeAll(src, dst[:0]), nil
}

func (ctx) DecompressInto(dst, src []byte) (int, error) {
	out, err := decoder.DecodeAll(src, dst[:0])
	if err != nil {
		return 0, err
	}
	if len(out) != len(dst) {
		return 0, errSize
	}
	return len(out), nil
}
