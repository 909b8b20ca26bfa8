package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// named gives geofences without an id one that importing the file again finds: it is made of what the geofence says
// and its ordinal among equal ones. One that was changed in the file is another one; whoever edits geofences gives
// them ids.
type named struct {
	source[Geofence]
	seen ordinals
}

func (n *named) next() (row Geofence, line int, raw string, refusal *Refusal, err error) {
	row, line, raw, refusal, err = n.source.next()
	if err != nil || refusal != nil || row.ID != "" {
		return row, line, raw, refusal, err
	}
	id := n.derive(row.AppendFeature(nil)) // not the text: that may be spaced otherwise, or be another form of file
	if row.Name == row.ID {
		row.Name = id
	}
	row.ID = id
	return row, line, raw, nil, nil
}

// derive makes an id: "i" and 128 bits of a hash.
func (n *named) derive(feature []byte) string {
	sum := sha256.Sum256(feature)
	if before := n.seen.next(string(sum[:])); before > 0 {
		sum = sha256.Sum256(strconv.AppendInt(feature, int64(before), 10))
	}
	return "i" + hex.EncodeToString(sum[:16])
}
