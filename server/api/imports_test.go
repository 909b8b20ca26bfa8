package api

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestPatient holds that a file may take longer than a request: whoever goes on sending is read.
func TestPatient(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	defer ours.Close()
	if err := ours.SetReadDeadline(time.Now().Add(-time.Second)); err != nil { // the request's time is over
		t.Fatal(err)
	}
	go func() { _, _ = theirs.Write([]byte("row")) }() // an error shows below
	got := make([]byte, 3)
	if _, err := io.ReadFull(patient{ours, ours}, got); err != nil || string(got) != "row" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestRejectedRows holds that a report lists the first refused rows without a gap, and no more than it may.
func TestRejectedRows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		rows, bytes int // of each row
		want        int
	}{
		{"few", 7, 100, 7},
		{"many", maxRejected + 50, 100, maxRejected},
		{"long", 1_000, 64 << 10, maxRejectedBytes / (64<<10 + 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got rejectedRows
			for i := range test.rows {
				line := fmt.Sprintf(`{"line":%d,"reason":"bad","row":"`, i+1)
				if i == test.rows-1 { // a short one at the end does not slip in behind a gap
					fmt.Fprintln(&got, line+`"}`)
					break
				}
				fmt.Fprintln(&got, line+strings.Repeat("x", test.bytes-len(line)-2)+`"}`)
			}
			if len(got.rows) != test.want || got.rows[len(got.rows)-1].Line != int64(test.want) {
				t.Errorf("got %d rows, want the first %d", len(got.rows), test.want)
			}
		})
	}
}
