package deliver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var _ Sink = (*NATS)(nil)

// NATSEndpoint is the name under which the letters for NATS wait.
const NATSEndpoint = "~nats"

// NATS publishes messages to JetStream, which has them for good once it says so. The operator makes the stream, over the
// subjects SUBJECT.>. JetStream drops what comes twice within its duplicate window by the id of the message.
type NATS struct {
	connection *nats.Conn
	stream     jetstream.JetStream
	subject    string
}

// DialNATS connects to a server or a list of them, now or as soon as one answers. Messages go to subject.RETAILER.KIND.
func DialNATS(url, subject string) (*NATS, error) {
	connection, err := nats.Connect(url, nats.Name("satnav"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(500*time.Millisecond), nats.ReconnectBufSize(-1)) // what is not sent now is sent again by us
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	stream, err := jetstream.New(connection)
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	return &NATS{connection, stream, subject}, nil
}

// Send publishes a message as a CloudEvent in structured mode and waits until the stream has it.
func (n *NATS) Send(ctx context.Context, m *Message) error {
	message := nats.NewMsg(n.subject + "." + token(m.Retailer) + "." + token(strings.TrimPrefix(m.Type, TypePrefix)))
	message.Data = m.Body
	message.Header.Set("content-type", contentType)
	_, err := n.stream.PublishMsg(ctx, message, jetstream.WithMsgID(m.Retailer+"/"+m.ID))
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	return nil
}

// Close ends the connection.
func (n *NATS) Close() { n.connection.Close() }

// token keeps a name to one part of a subject.
func token(name string) string { return strings.ReplaceAll(name, ".", "%2E") }
