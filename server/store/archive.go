package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// An archive is a header and frames: the length of the partition's name, the name, the length of the payload, the payload (lengths
// as uvarint). A payload is a page of documents as BSON, sealed where IsSealed says so.
const archiveHeader = "satnav archive 1\n"

// maxFrame bounds what a reader of an archive allocates for one page.
const maxFrame = 64 << 20

type archivePage struct {
	Documents []archiveDocument `bson:"documents"`
}

type archiveDocument struct {
	ID    string   `bson:"id"`
	Body  bson.Raw `bson:"body"`
	Marks []Mark   `bson:"marks,omitempty"`
}

// IsSealed tells whether a partition leaves the store sealed only: those of shoppers, and the installation's own, which holds the
// key of their pseudonyms. The others are a retailer's own configuration and hold pseudonyms at most.
func IsSealed(partition string) bool {
	if partition == installationPartition {
		return true
	}
	_, rest, found := strings.Cut(partition, "/")
	return found && len(rest) == pseudonymEncoding.EncodedLen(16) && !strings.ContainsAny(rest, "~/")
}

// SealedPartitions lists the partitions that must be sealed.
func SealedPartitions(ctx context.Context, documents Documents) (sealed []string, err error) {
	err = eachPartition(ctx, documents, func(partition string) error {
		if IsSealed(partition) {
			sealed = append(sealed, partition)
		}
		return nil
	})
	return sealed, err
}

// WriteArchive writes everything. seal seals a page of a partition; where it says skip, the partition was erased while the copy
// was made: an empty frame stands for it, which no key opens.
func WriteArchive(ctx context.Context, documents Documents, w io.Writer, seal func(partition string, page []byte) (sealed []byte, skip bool, err error)) error {
	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := out.WriteString(archiveHeader); err != nil {
		return err
	}
	err := eachPartition(ctx, documents, func(partition string) error {
		return eachPage(ctx, documents, partition, func(page Page) error {
			var told archivePage
			for _, d := range page.Documents {
				told.Documents = append(told.Documents, archiveDocument{d.ID, d.Body, d.Marks})
			}
			payload, err := bson.Marshal(told)
			if err != nil {
				return err
			}
			if IsSealed(partition) {
				var skip bool
				if payload, skip, err = seal(partition, payload); err != nil {
					return err
				}
				if skip {
					payload = nil
				}
			}
			return writeFrame(out, partition, payload)
		})
	})
	return errors.Join(err, out.Flush())
}

func writeFrame(out *bufio.Writer, partition string, payload []byte) error {
	head := append(binary.AppendUvarint(nil, uint64(len(partition))), partition...)
	if _, err := out.Write(binary.AppendUvarint(head, uint64(len(payload)))); err != nil {
		return err
	}
	_, err := out.Write(payload)
	return err
}

// ReadArchive commits what an archive holds into documents. open opens a sealed page; where it says gone, the key was destroyed and
// the partition stays closed, as does one that was erased while the archive was made. It returns how many partitions do.
func ReadArchive(ctx context.Context, r io.Reader, documents Documents, open func(partition string, sealed []byte) (page []byte, gone bool, err error)) (closed int, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	header := make([]byte, len(archiveHeader))
	if _, err := io.ReadFull(in, header); err != nil || string(header) != archiveHeader {
		return 0, errors.New("it is no archive")
	}
	last := ""
	for {
		name, err := readPart(in, MaxName)
		if errors.Is(err, io.EOF) {
			return closed, nil
		}
		if err != nil {
			return closed, err
		}
		partition := string(name)
		payload, err := readPart(in, maxFrame)
		if err != nil {
			return closed, fmt.Errorf("partition %q: %w", partition, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if IsSealed(partition) {
			gone := len(payload) == 0 // it was erased while the archive was made
			if !gone {
				if payload, gone, err = open(partition, payload); err != nil {
					return closed, err
				}
			}
			if gone {
				if partition != last {
					closed++
				}
				last = partition
				continue
			}
		}
		last = partition
		if err := commitPage(ctx, documents, partition, payload); err != nil {
			return closed, fmt.Errorf("partition %q: %w", partition, err)
		}
	}
}

// readPart reads a length and as many bytes. It returns io.EOF only where nothing stands.
func readPart(in *bufio.Reader, limit uint64) ([]byte, error) {
	length, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, err
	}
	if length > limit {
		return nil, fmt.Errorf("a part of %d bytes, at most %d are allowed", length, limit)
	}
	part := make([]byte, length)
	if _, err := io.ReadFull(in, part); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return part, nil
}

func commitPage(ctx context.Context, documents Documents, partition string, payload []byte) error {
	var page archivePage
	if err := bson.Unmarshal(payload, &page); err != nil {
		return err
	}
	all := make([]Document, len(page.Documents))
	for i, d := range page.Documents {
		all[i] = Document{ID: d.ID, Body: d.Body, Marks: d.Marks}
	}
	if len(all) == 0 {
		_, err := documents.Commit(ctx, Batch{Partition: partition})
		return err
	}
	for len(all) > 0 {
		var batch []Document
		batch, all = fitting(all)
		if _, err := documents.Commit(ctx, Batch{Partition: partition, Put: batch}); err != nil {
			return err
		}
	}
	return nil
}
