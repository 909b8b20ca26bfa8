package deliver_test

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"satnav/server/deliver"
)

// natsServer runs a server with JetStream over a folder; port 0 is any.
func natsServer(t *testing.T, folder string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: folder, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not answer")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// JetStream gets every trigger once and each shopper's in order, also when it is away for a while and a process ends between
// what was published and the note of it.
func TestNATSGetsAll(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first := natsServer(t, folder, -1)
	address := first.Addr().String()
	sink, err := deliver.DialNATS("nats://"+address, "satnav")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.Close)
	makeStream(t, address)

	config := deliver.Config{
		First: 5 * time.Millisecond, Longest: 100 * time.Millisecond, Breaking: 10 * time.Millisecond, Timeout: 2 * time.Second,
		Sinks: map[string]deliver.Sink{deliver.NATSEndpoint: sink},
	}
	h := newHouse(t, config, time.Now)
	stop := h.run(t)
	for s := range 5 {
		h.cross(t, fmt.Sprint("s", s), 0, 10)
	}
	first.Shutdown()
	first.WaitForShutdown()
	for s := range 5 {
		h.cross(t, fmt.Sprint("s", s), 10, 10)
	}
	stop()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	natsServer(t, folder, number)
	h.run(t)

	order := map[string][]string{}
	got := 0
	connection, err := nats.Connect("nats://" + address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connection.Close)
	stream, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(t.Context(), "triggers", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for got < 100 {
		message, err := consumer.Next(jetstream.FetchMaxWait(20 * time.Second))
		if err != nil {
			t.Fatalf("after %d messages: %v", got, err)
		}
		var event struct {
			ID   string
			Data struct{ Shopper, Kind string }
		}
		if err := json.Unmarshal(message.Data(), &event); err != nil {
			t.Fatal(err)
		}
		if want := "satnav." + shop + "." + event.Data.Kind; message.Subject() != want {
			t.Errorf("subject: got %q, want %q", message.Subject(), want)
		}
		got++
		order[event.Data.Shopper] = append(order[event.Data.Shopper], event.ID)
	}
	for shopper, ids := range order {
		if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != 20 {
			t.Errorf("%s: got %q, want 20 in order, once each", shopper, ids)
		}
	}
}

func makeStream(t *testing.T, address string) {
	t.Helper()
	connection, err := nats.Connect("nats://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	stream, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateStream(t.Context(), jetstream.StreamConfig{Name: "triggers", Subjects: []string{"satnav.>"}, Duplicates: time.Hour}); err != nil {
		t.Fatal(err)
	}
}
