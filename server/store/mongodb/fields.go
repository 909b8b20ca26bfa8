package mongodb

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
)

// Names of fields that queries speak of.
const (
	fieldKey       = "_id"
	fieldPartition = "partition" // on everything: the shard key
	fieldRevision  = "revision"
	fieldName      = "name"
	fieldWaiting   = "waiting"
	fieldPending   = "pending"
	fieldCommit    = "commit"
	fieldGone      = "gone"
	fieldAt        = "at"
	fieldMarks     = "marks"
	fieldBody      = "body"
	fieldPacked    = "packed"

	markKind      = "mark.kind"
	markKey       = "mark.key"
	markAt        = "mark.at"
	markPartition = "mark.partition"
	markID        = "mark.id"
)

// head is the head of a partition.
type head struct {
	Key       string         `bson:"_id"`
	Partition string         `bson:"partition"`
	Name      string         `bson:"name,omitempty"` // the partition, while it exists
	Revision  store.Revision `bson:"revision"`
	Commit    bson.ObjectID  `bson:"commit"`            // names the last commit, so that its maker knows it again
	At        time.Time      `bson:"at"`                // of the last commit, by its maker's clock
	Gone      *time.Time     `bson:"gone,omitempty"`    // when the partition was erased: it does not exist
	Waiting   *[]string      `bson:"waiting,omitempty"` // kinds of the marks in Pending; there while Pending is
	Pending   *batch         `bson:"pending,omitempty"`
}

// live returns the revision that the port knows: 0 for a partition that does not exist.
func (h *head) live() store.Revision {
	if h == nil || h.Gone != nil {
		return 0
	}
	return h.Revision
}

// batch is what is to be applied.
type batch struct {
	Put    []document `bson:"put,omitempty"`
	Delete []string   `bson:"delete,omitempty"` // ids
}

// document is a document or, when Gone is set, the tombstone of one.
type document struct {
	Key       string         `bson:"_id,omitempty"` // not in a batch
	Partition string         `bson:"partition,omitempty"`
	ID        string         `bson:"id,omitempty"`
	Revision  store.Revision `bson:"revision,omitempty"`
	Marks     []mark         `bson:"marks,omitempty"`
	Body      bson.Raw       `bson:"body,omitempty"`
	Packed    []byte         `bson:"packed,omitempty"` // the body, when it has names that servers do not hold
	Gone      *time.Time     `bson:"gone,omitempty"`
}

type mark struct {
	Kind string        `bson:"kind"`
	Key  string        `bson:"key"`
	At   bson.DateTime `bson:"at"`
}

// hint is where a listing of marks finds a document.
type hint struct {
	Key       string         `bson:"_id"`
	Partition string         `bson:"partition"`
	Revision  store.Revision `bson:"revision"` // the last one that wanted it
	Mark      hintMark       `bson:"mark"`
}

type hintMark struct {
	Kind      string        `bson:"kind"`
	Key       string        `bson:"key"`
	At        bson.DateTime `bson:"at"`
	Partition string        `bson:"partition"`
	ID        string        `bson:"id"`
}

func (h *hint) place() place { return place{int64(h.Mark.At), h.Mark.Partition, h.Mark.ID} }

// batchOf returns a batch in the stored form, and the kinds of its marks. It shares no memory with what was given: the batch
// is applied after the commit has returned, when its caller may have filled the same buffers with something else.
func batchOf(b store.Batch) (*batch, []string) {
	kinds := []string{}
	pending := &batch{Delete: make([]string, len(b.Delete)), Put: make([]document, len(b.Put))}
	for i, id := range b.Delete {
		pending.Delete[i] = strings.Clone(id)
	}
	for i, d := range b.Put {
		put := document{ID: strings.Clone(d.ID), Marks: make([]mark, len(d.Marks))}
		if body := bytes.Clone(d.Body); awkward(body) {
			put.Packed = body
		} else {
			put.Body = body
		}
		for j, m := range d.Marks {
			m.Kind, m.Key = strings.Clone(m.Kind), strings.Clone(m.Key)
			put.Marks[j] = mark{m.Kind, m.Key, bson.DateTime(m.At.UnixMilli())}
			if !slices.Contains(kinds, m.Kind) {
				kinds = append(kinds, m.Kind)
			}
		}
		slices.SortFunc(put.Marks, func(a, b mark) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) })
		pending.Put[i] = put
	}
	return pending, kinds
}

// document returns d in the port's words.
func (d *document) document() (store.Document, error) {
	found := store.Document{Partition: d.Partition, ID: d.ID, Body: d.Body}
	if d.Packed != nil {
		found.Body = d.Packed
	}
	if len(found.Body) == 0 {
		return found, fmt.Errorf("partition %q: document %q has no body", d.Partition, d.ID)
	}
	if len(d.Marks) > 0 {
		found.Marks = make([]store.Mark, len(d.Marks))
		for i, m := range d.Marks {
			found.Marks[i] = store.Mark{Kind: m.Kind, Key: m.Key, At: m.At.Time().UTC()}
		}
	}
	return found, nil
}

// awkward reports whether a body has a name that some servers do not hold or read as a command: an empty one, one that
// begins with a dollar or has a dot, or one that comes twice. It is kept packed then. Bodies are valid: the port sees to it.
func awkward(body bson.Raw) bool {
	elements, err := body.Elements()
	if err != nil {
		return true
	}
	var few [16]string
	names := few[:0]
	for _, e := range elements {
		name := e.Key()
		if name == "" || name[0] == '$' || strings.IndexByte(name, '.') >= 0 || slices.Contains(names, name) {
			return true
		}
		if len(elements) <= len(few) {
			names = append(names, name)
		}
		switch value := e.Value(); value.Type {
		case bson.TypeEmbeddedDocument:
			if awkward(value.Document()) {
				return true
			}
		case bson.TypeArray:
			if awkward(bson.Raw(value.Array())) {
				return true
			}
		}
	}
	return len(elements) > len(few) && repeated(elements)
}

func repeated(elements []bson.RawElement) bool {
	names := make(map[string]bool, len(elements))
	for _, e := range elements {
		if names[e.Key()] {
			return true
		}
		names[e.Key()] = true
	}
	return false
}
