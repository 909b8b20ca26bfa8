package main

import (
	"encoding/binary"
	"errors"
	"net"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
)

// keyed is a find that names the keys of what it seeks, {"_id": key} or {"_id": {"$in": [key, …]}}, and may name partitions
// beside them. FerretDB reads the whole collection for it: it uses the index of keys for a filter of one key and nothing
// else. The partitions can be left out, since a key of ours begins with its partition.
type keyed struct {
	header []byte // of the message: its length, two ids, the operation and its flags
	find   bson.D
	filter *any     // where in find the filter stands
	keys   []string // in order, each once
}

const (
	headerBytes = 16 + 4 // of a message, and the flags of OP_MSG
	opMsg       = 2013
	fewKeys     = 16 // more are not worth a question each
)

// byKeys reads a command as a find by keys, when it is one whose parts answer as the whole does: in order of the keys or in
// none, nothing skipped, every key within the limit.
func byKeys(command []byte) (keyed, bool) {
	if len(command) <= headerBytes || binary.LittleEndian.Uint32(command[12:]) != opMsg || command[headerBytes] != 0 {
		return keyed{}, false
	}
	k := keyed{header: command[:headerBytes]}
	if bson.Unmarshal(command[headerBytes+1:], &k.find) != nil || len(k.find) == 0 || k.find[0].Key != "find" {
		return keyed{}, false
	}
	limit := int64(fewKeys)
	for i, e := range k.find {
		switch value := e.Value.(type) {
		case bson.D:
			switch e.Key {
			case "filter":
				k.filter = &k.find[i].Value
				k.keys = keysOf(value)
			case "sort":
				if len(value) != 1 || value[0] != (bson.E{Key: "_id", Value: int32(1)}) {
					return keyed{}, false
				}
			}
		case int64:
			if e.Key == "limit" {
				limit = min(limit, value)
			}
		}
		if e.Key == "skip" || e.Key == "collation" {
			return keyed{}, false
		}
	}
	return k, 0 < len(k.keys) && int64(len(k.keys)) <= limit
}

// keysOf returns the keys that a filter names, in order and each once; none when it asks for anything else.
func keysOf(filter bson.D) (keys []string) {
	for _, e := range filter {
		if e.Key == "partition" {
			continue
		}
		if e.Key != "_id" {
			return nil
		}
		named := bson.A{e.Value}
		if in, ok := e.Value.(bson.D); ok && len(in) == 1 && in[0].Key == "$in" {
			named, _ = in[0].Value.(bson.A)
		}
		for _, key := range named {
			text, ok := key.(string)
			if !ok {
				return nil
			}
			keys = append(keys, text)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// ask asks for each key and answers as if all had been asked for at once.
func (k keyed) ask(server net.Conn) ([]byte, error) {
	found := []bson.Raw{}
	for i, key := range k.keys {
		*k.filter = bson.D{{Key: "_id", Value: key}}
		body, err := bson.Marshal(k.find)
		if err != nil {
			return nil, err
		}
		answer, err := exchange(server, packed(k.header, body))
		if err != nil {
			return nil, err
		}
		if len(answer) <= headerBytes {
			return nil, errors.New("an answer without a body")
		}
		var said struct {
			Cursor struct {
				FirstBatch []bson.Raw `bson:"firstBatch"`
				NS         string
			}
			OK float64
		}
		if err := bson.Unmarshal(answer[headerBytes+1:], &said); err != nil {
			return nil, err
		}
		if said.OK != 1 {
			return answer, nil
		}
		found = append(found, said.Cursor.FirstBatch...)
		if i+1 < len(k.keys) {
			continue
		}
		cursor := bson.D{{Key: "firstBatch", Value: found}, {Key: "id", Value: int64(0)}, {Key: "ns", Value: said.Cursor.NS}}
		body, err = bson.Marshal(bson.D{{Key: "cursor", Value: cursor}, {Key: "ok", Value: 1.0}})
		return packed(answer[:headerBytes], body), err
	}
	return nil, errors.New("a find of no keys")
}

// packed makes a message of a body: the header of another with its own length, and the kind of the one section.
func packed(header, body []byte) []byte {
	whole := append(slices.Clone(header), 0)
	whole = append(whole, body...)
	binary.LittleEndian.PutUint32(whole, uint32(len(whole)))
	return whole
}
