package api

import (
	"io"
	"net"
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
